import Glibc
import Model
import Processes
import Scripting

/// Where the agent gets secrets from, for a run that it holds and not before.
public protocol Secrets: Sendable {
  /// The secret of this name. Throws a sentence where there is none, or where it is not kept safely.
  func secret(_ name: String) throws(SecretFailure) -> Secret
}

public struct SecretFailure: Error, Sendable, Hashable {
  public var message: String
  public var hint: String

  public init(_ message: String, hint: String) {
    self.message = message
    self.hint = hint
  }
}

/// Secrets in files of one folder, `FOLDER/NAME`, that only their owner may read; or in `LUNAPORT_SECRET_NAME` of the
/// agent's environment. One line end at the end of a file is not part of the secret.
public struct FileSecrets: Secrets {
  public var folder: String
  /// Reads one variable of the agent's environment.
  public var variable: @Sendable (String) -> String?

  public init(
    folder: String, variable: @escaping @Sendable (String) -> String? = { BaseEnvironment.variable($0) }
  ) {
    self.folder = folder
    self.variable = variable
  }

  public func secret(_ name: String) throws(SecretFailure) -> Secret {
    if let problem = Name.problem(with: name) {
      throw SecretFailure("the name of secret `\(name)` \(problem)", hint: "rename it in the queue")
    }
    let path = "\(folder)/\(name)"
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & 0o077 == 0 else {
        throw SecretFailure("others may read the file of secret `\(name)`", hint: "chmod 600 \(path)")
      }
      guard var text = Disk.text(path) else {
        throw SecretFailure("the file of secret `\(name)` cannot be read", hint: "let the agent's user read \(path)")
      }
      // To Swift the end of a line as Windows writes it is one character, and not one that ends with the other.
      if text.last == "\n" || text.last == "\r\n" { text.removeLast() }
      return Secret(name: name, text: text)
    }
    if let text = variable("LUNAPORT_SECRET_\(name)") { return Secret(name: name, text: text) }
    throw SecretFailure(
      "this agent has no secret `\(name)`", hint: "put its text into \(path), readable by the agent's user only")
  }
}
