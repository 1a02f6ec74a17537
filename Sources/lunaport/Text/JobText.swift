import Arguments
import Model

enum JobText {
  static func table(_ jobs: [JobVersion], now: Double) -> Table {
    var table = Table([
      .init("NAME"), .init("PROJECT"), .init("ENTITY"), .init("NEWEST"), .init("KIND"), .init("RUNS"), .init("AUTHOR"),
      .init("CREATED"),
    ])
    for job in jobs {
      table.append([
        .init(job.name, .bold), .init(job.project), .init(job.entity), .init("v\(job.version)"),
        .init(job.source.kind.rawValue), .init(command(job.source)), .init(job.author), .init(ago(now - job.createdAt)),
      ])
    }
    return table
  }

  static func command(_ source: Source) -> String {
    if source.entryPoint.isEmpty { return source.kind == .image ? "its image's entry point" : "" }
    return source.entryPoint.map(ShellWord.quoted).joined(separator: " ")
  }

  /// What the job is made from, beside what it runs.
  static func origin(_ source: Source) -> [(String, String)] {
    var rows: [(String, String)] = []
    if let image = source.image { rows.append(("image", image.text)) }
    if let git = source.git {
      rows += [("repository", git.url), ("commit", git.commit + (git.ref.map { " (\($0))" } ?? ""))]
      if let folder = git.folder { rows.append(("folder", folder)) }
      if let secret = git.secret {
        rows.append(("secret", secret + (git.user.map { ", for \($0)" } ?? "")))
      }
    }
    if let python = source.python { rows.append(("python", python)) }
    if let requirements = source.requirements { rows.append(("requirements", requirements)) }
    return rows
  }

  /// `optimizer.lr: number, 0.1 by default`, one for each input.
  static func inputs(_ inputs: Inputs, below path: String = "") -> [String] {
    inputs.fields.sorted { $0.key < $1.key }.flatMap { name, input -> [String] in
      if case .table(let inner) = input.kind { return Self.inputs(inner, below: "\(path)\(name).") }
      let value = input.isRequired ? ", required" : input.defaultValue.map { ", \($0.json()) by default" } ?? ""
      return ["\(path)\(name): \(input.text)\(value)" + (input.doc.map { "; \($0)" } ?? "")]
    }
  }

  /// One version with the list of all of them.
  static func page(_ job: JobVersion, versions: [JobVersion], now: Double, on terminal: Terminal) -> String {
    var rows: [(String, String)] = [
      ("job", "\(job.entity)/\(job.project)/\(job.name)"),
      ("version", "v\(job.version)" + (job.aliases.isEmpty ? "" : " (\(job.aliases.joined(separator: ", ")))")),
      ("kind", job.source.kind.rawValue), ("runs", command(job.source)),
    ]
    rows += origin(job.source)
    let inputs = job.inputs.map { Self.inputs($0) } ?? []
    rows += inputs.enumerated().map { ($0 == 0 ? "inputs" : "", $1) }
    rows += [("author", job.author), ("created", ago(now - job.createdAt)), ("digest", job.digest)]
    for (index, version) in versions.enumerated() {
      let aliases = version.aliases.isEmpty ? "" : "  " + version.aliases.joined(separator: ", ")
      rows.append((index == 0 ? "versions" : "", "v\(version.version)  \(ago(now - version.createdAt))\(aliases)"))
    }
    return terminal.paint(printable(job.name), .bold) + "\n"
      + RunText.aligned(rows.map { ($0.0, printable($0.1)) }, on: terminal)
  }
}

extension JobVersion {
  /// For programs: times as in the rest of the API's documents, and the reference by which it is launched.
  func document() throws -> Value {
    guard case .object(var fields) = try Value(encoding: self) else { return .null }
    fields["created_at"] = .string(Timestamp.text(createdAt))
    fields["reference"] = .string(reference)
    return .object(fields)
  }
}
