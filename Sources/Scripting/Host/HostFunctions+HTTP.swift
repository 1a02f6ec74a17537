import Client
import HTTP
import Lua
import Model

/// `host.http`, and what the prelude makes `host.http.lines` and `host.http.chunks` of.
extension HostFunctions {
  func http(in state: LuaState) -> [String: LuaReference] {
    [
      "http.send": state.waitingFunction("host.http") { call throws -> Operation in
        let wanted = try wanted(call, isStream: false)
        return { await send(wanted) }
      },
      "http.prepare": state.function { (call: borrowing LuaCall) throws -> [LuaValue] in
        let context = CallContext.current
        let stream = ReadStream(
          try wanted(call, isStream: true), inLines: call.boolean(2), streams, SecretMask(context.secrets))
        return [.integer(context.streams.add(stream))]
      },
      "http.open": state.waitingFunction("host.http") { call throws -> Operation in
        let stream = try stream(call)
        let client = try client(for: stream.wanted)
        return { await stream.open(client, CallContext.current.secrets) }
      },
      "http.next": state.waitingFunction("host.http") { call throws -> Operation in
        let stream = try stream(call)
        return { await stream.next() }
      },
      "http.close": state.function { (call: borrowing LuaCall) throws -> [LuaValue] in
        CallContext.current.streams.close(try call.integer(1))
        return []
      },
    ]
  }

  private func wanted(_ call: borrowing LuaCall, isStream: Bool) throws -> HTTPWanted {
    do {
      return try HTTPWanted(try call.tree(1), self, isStream: isStream)
    } catch var error as LuaError {
      // The prelude stands between the plugin's line and this.
      for level in 1...3 where error.chunk == nil {
        guard let position = call.position(level: level), position.chunk != "host" else { continue }
        (error.chunk, error.line) = (position.chunk, position.line)
      }
      throw error
    }
  }

  private func stream(_ call: borrowing LuaCall) throws -> ReadStream {
    guard let stream = CallContext.current.streams[try call.integer(1)] else {
      throw LuaError(.runtime, "this answer is no longer being read")
    }
    return stream
  }

  private func client(for wanted: HTTPWanted) throws(LuaError) -> HTTPClient {
    guard let client else { throw LuaError(.runtime, "plugin `\(permits.plugin)` may send no requests") }
    return client
  }

  private func send(_ wanted: HTTPWanted) async -> [LuaValue] {
    do throws(DriverFailure) {
      let secrets = CallContext.current.secrets
      let request = try wanted.opened(with: secrets)
      // Without a permission to send, no request has come this far, save one without a proper URL.
      guard let client else { throw DriverFailure(.configInvalid, "the plugin may send no requests") }
      do throws(HTTPClientError) {
        guard let target = wanted.target else {
          return [Self.answer(try await client.send(request), SecretMask(secrets))]
        }
        let (answer, size) = try await client.download(request, to: target)
        return [Self.answer(answer, SecretMask(secrets), size: size)]
      } catch {
        throw wanted.failure(error)
      }
    } catch {
      return Self.failed(error)
    }
  }

  /// - Parameter size: bytes that went to a file, instead of a body.
  static func answer(_ response: HTTPClient.Response, _ mask: SecretMask, size: Int? = nil) -> LuaValue {
    var fields = head(response.status, response.headers)
    if let size {
      fields["size"] = .integer(Int64(size))
    } else {
      fields["body"] = .bytes(mask.applied(to: response.body))
    }
    if response.isCut { fields["cut"] = .boolean(true) }
    return .fields(fields)
  }

  /// Header names in lower case; what came more than once is joined.
  static func head(_ status: Int, _ headers: HTTPHeaders) -> [String: LuaValue] {
    var joined: [String: String] = [:]
    for field in headers.fields {
      joined[field.name.lowercased()].append(field.value)
    }
    return ["status": .integer(Int64(status)), "headers": .fields(joined.mapValues(LuaValue.string))]
  }
}

extension Optional where Wrapped == String {
  fileprivate mutating func append(_ value: String) { self = map { $0 + ", " + value } ?? value }
}
