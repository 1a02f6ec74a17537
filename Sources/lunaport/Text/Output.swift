import Arguments
import Model

extension Console {
  /// Prints a document as JSON that a person can read too: sorted keys, one member a line.
  func print(json value: some Encodable) throws { try print(Value(encoding: value).json(pretty: true)) }

  /// Prints a table, or on standard error what it means that it is empty.
  func print(_ table: Table, ifEmpty sentence: String) throws {
    if table.isEmpty { report(sentence) } else { try print(table.rendered(on: output)) }
  }
}
