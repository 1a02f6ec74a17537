import Glibc
import Model

/// What a path means to `job create code`: a script, whose folder is taken, or a folder with an entry point.
public struct CodePath: Sendable, Hashable {
  /// The folder to take.
  public var folder: String
  /// As written: `["train.py"]`, `["python", "-m", "pkg.train"]`.
  public var words: [String]
  /// The job's name where nobody gives another.
  public var jobName: String

  /// - Parameter entryPoint: what to run, as one would type it in the folder; only where `path` is a folder.
  public init(_ path: String, entryPoint: String?) throws(SnapshotError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw SnapshotError(.unreadable, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    switch (isFolder, entryPoint) {
    case (true, let entryPoint?):
      folder = path
      words = try Self.words(of: entryPoint)
      jobName = "job-" + Name.safe(try Self.lastPart(ofFolder: path))
    case (false, nil):
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      let script = String(parts.last ?? "")
      let parent = parts.dropLast().joined(separator: "/")
      folder = parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
      words = [script]
      jobName = "job-" + Name.safe(script)
    case (true, nil):
      throw SnapshotError(
        .entryPoint, "\(path) is a folder, so it must be said what to run in it",
        hint: "name the script itself, or add --entry-point \"python3 train.py\"")
    case (false, _?):
      throw SnapshotError(
        .entryPoint, "\(path) is a file and so the entry point itself",
        hint: "leave --entry-point out, or name the folder in place of the file")
    }
    jobName = String(jobName.prefix(Limits.nameLength))
  }

  private static func lastPart(ofFolder path: String) throws(SnapshotError) -> String {
    guard let resolved = realpath(path, nil) else {
      throw SnapshotError(.unreadable, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { free(resolved) }
    return String(cString: resolved).split(separator: "/").last.map(String.init) ?? "root"
  }

  /// Splits as a shell does: spaces part words, quotes and backslashes hold them together. Nothing is expanded.
  public static func words(of text: String) throws(SnapshotError) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        // Within double quotes a backslash is itself unless it stands before one of these.
        if quote == "\"", !["\"", "\\", "$", "`"].contains(character) { word = (word ?? "") + "\\" }
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if character == "\\", quote != "'" {
        isEscaped = true
        word = word ?? ""
      } else if let open = quote {
        if character == open { quote = nil } else { word = (word ?? "") + String(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        word = word ?? ""
      } else if character.isWhitespace {
        if let done = word { words.append(done) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    guard quote == nil, !isEscaped else {
      throw SnapshotError(
        .entryPoint, "the entry point \(text) ends within a quotation", hint: "close the quote, or escape it with \\")
    }
    if let done = word { words.append(done) }
    guard let program = words.first, !program.isEmpty else {
      throw SnapshotError(
        .entryPoint, "the entry point names no program", hint: "such as --entry-point \"python3 train.py\"")
    }
    return words
  }
}

extension Folder {
  /// The command that runs `words` where the folder is the current one, whatever its PATH: a Python file is run by
  /// `python3`, a shell script that may not be executed by `sh`, a file of the folder by its path.
  public func command(_ words: [String]) throws(SnapshotError) -> [String] {
    guard let first = words.first else { return words }
    var path = first[...]
    while path.hasPrefix("./") { path = path.dropFirst(2) }
    guard let file = entry(String(path)) else {
      // Without a slash it is a program of the machine where the job runs, unless it is plainly one of the folder's.
      if let reason = reason(toIgnore: String(path)) {
        throw SnapshotError(
          .entryPoint, "the entry point \(path) is left out of the snapshot: \(reason)",
          hint: "take it back with a line !\(path) in .lunaportignore")
      }
      guard first.contains("/") || first.hasSuffix(".py") || first.hasSuffix(".sh") else { return words }
      if first.hasPrefix("/") { return words }
      let near = closest(to: String(path), among: entries.map(\.path))
      throw SnapshotError(
        .entryPoint, "there is no \(path) in \(name)",
        hint: near.map { "did you mean \($0)?" } ?? "the entry point is a path within the folder, or a program")
    }
    let rest = words.dropFirst()
    if path.hasSuffix(".py") { return ["python3", String(path)] + rest }
    if case .file(_, executable: false) = file.kind {
      guard path.hasSuffix(".sh") else {
        throw SnapshotError(
          .entryPoint, "the entry point \(path) is not executable",
          hint: "chmod +x \(path), or name the program that runs it: --entry-point \"PROGRAM \(path)\"")
      }
      return ["sh", String(path)] + rest
    }
    return ["./" + path] + rest
  }
}
