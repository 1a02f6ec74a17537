import Model

/// Misfits of declared documents, as diagnostics with the place to edit and the place that explains.
struct MisfitText {
  let declaration: Declaration
  /// ``queue `gpu` `` or ``the resource of queue `gpu` ``.
  var subject: String
  /// Where in the declaration the checked document stands.
  var base: Path = []
  /// Code of an unknown key: `C0020` for the declaration's own keys, `C0021` for those of a resource.
  var unknownKeyCode = "C0020"
  /// Shown as a help line under an unknown key.
  var keysHelp: String?

  func diagnostic(_ misfit: Misfit) -> Diagnostic {
    let path = base + misfit.path
    // A value that came from elsewhere (a shared resource config) is edited there.
    let isOwn = misfit.origin.place?.file == declaration.file || misfit.origin.place == nil
    let key = isOwn ? declaration.key(path) : misfit.origin.place ?? declaration.place
    let value = isOwn ? declaration.value(path) : key
    let inside =
      misfit.path.dropLast().isEmpty ? subject : "`\((base + misfit.path.dropLast()).text)` of \(declaration.title)"
    var diagnostic: Diagnostic
    switch misfit.problem {
    case .unknownKey(let name, let known):
      let near = closest(to: name, among: known)
      let type = near.flatMap { near in misfit.schema.fields.first { $0.key == near }?.schema.text }
      diagnostic = Diagnostic(
        unknownKeyCode, "unknown key `\(name)` in \(inside)", at: key,
        label: near.map { "did you mean `\($0)`? (\(type ?? "")\(type == nil ? "anything" : ""))" },
        help: keysHelp ?? "its keys: \(known.joined(separator: ", "))")
    case .missingKey(let name):
      let table = misfit.path.isEmpty ? subject : "`\(path.text)` of \(declaration.title)"
      diagnostic = Diagnostic(
        "C0022", "\(table) has no `\(name)`", at: misfit.path.isEmpty && base.isEmpty ? declaration.place : key,
        help: "add `\(name) = ...` (\(misfit.schema.text))\(misfit.schema.doc.map { ": \($0)" } ?? "")")
    case .kind(let found):
      diagnostic = Diagnostic(
        "C0023", "`\(path.text)` of \(declaration.title) must be \(misfit.schema.text), not \(found)", at: value,
        label: conversion(misfit))
    case .value(let found):
      var label: String?
      if case .choice(let choices) = misfit.schema.kind, let text = try? Value(json: found).stringValue {
        label = closest(to: text, among: choices.compactMap(\.stringValue)).map { "did you mean \"\($0)\"?" }
      }
      diagnostic = Diagnostic(
        "C0024", "`\(path.text)` of \(declaration.title) cannot be \(found)", at: value, label: label,
        help: "it takes \(misfit.schema.text)")
    case .plainSecret:
      diagnostic = Diagnostic(
        "C0025", "`\(path.text)` of \(declaration.title) holds a secret in plain text", at: value,
        help: "write secret \"name\", and give the agent the secret under that name")
    }
    if let place = misfit.schema.place, place.file != declaration.file {
      diagnostic.notes.append("schema: \(place.text)")
    }
    return diagnostic
  }

  /// "remove the quotes" where a text holds what the schema wants.
  private func conversion(_ misfit: Misfit) -> String? {
    guard case .kind(let found) = misfit.problem, found.hasPrefix("text \""), found.hasSuffix("\"") else { return nil }
    let text = String(found.dropFirst(6).dropLast())
    switch misfit.schema.kind {
    case .int where Int64(text) != nil, .number where Double(text) != nil: return "write \(text) without quotes"
    case .bool where text == "true" || text == "false": return "write \(text) without quotes"
    default: return nil
    }
  }
}
