import HTTP
import Model

extension APIClient {
  /// Whose key this is.
  public func viewer() async throws(APIError) -> Viewer { try await call(.get, ["viewer"]) }

  /// Makes a key; only this answer holds its text.
  public func createKey(_ request: KeyRequest) async throws(APIError) -> KeyView {
    try await call(.post, ["keys"], body: try Self.json(request))
  }

  /// Newest first, revoked ones included.
  public func keys() async throws(APIError) -> PageView<KeyView> {
    try await call(.get, ["keys"], [("limit", "1000")])
  }

  public func revokeKey(_ id: String) async throws(APIError) { _ = try await answer(.delete, ["keys", id]) }
}

extension APIClient {
  /// Asks the server for a sign of life, and for its clock as far as it tells: the text of the `Date` field.
  public func health() async throws(APIError) -> (report: Value, date: String?) {
    let response = try await plainAnswer("healthz")
    do {
      return (try Value(json: response.body), response.headers["Date"])
    } catch {
      throw .unreadable(method: "GET", url: url + "/healthz", status: response.status, fact: error.description)
    }
  }
}
