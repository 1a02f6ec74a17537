import Model

/// Reads JSON files that people write.
enum Document {
  static func read(_ path: String) throws(LocalFailure) -> Value {
    let bytes = path == "-" ? try LocalFile.read(0, named: "standard input") : try LocalFile.read(path)
    do {
      return try Value(json: bytes)
    } catch {
      throw LocalFailure("\(path) is no JSON: \(error.description)")
    }
  }
}
