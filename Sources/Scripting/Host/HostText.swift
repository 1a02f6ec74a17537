import FoundationEssentials
import Lua
import Model

/// Text of a plugin that may stand for a secret: `{ ["$secret"] = "NAME" }`, as documents have it, or what `host.join`
/// and `host.base64.encode` made of one. Only the host opens it, on its way out.
enum HostText: Sendable, Hashable {
  case plain([UInt8])
  case sealed(Value)

  /// nil for what is neither text, number nor sealed.
  init?(_ tree: LuaTree) {
    switch tree {
    case .string, .bytes: self = .plain(tree.bytes ?? [])
    case .integer, .number: self = .plain(Array((tree.text ?? "").utf8))
    case .boolean(let flag): self = .plain(Array((flag ? "true" : "false").utf8))
    case .table:
      guard case .success(let value) = tree.document(), Seal(value) != nil else { return nil }
      self = .sealed(value)
    case .nothing, .function, .other: return nil
    }
  }

  func opened(with secrets: [String: Secret]) throws(DriverFailure) -> [UInt8] {
    switch self {
    case .plain(let bytes): return bytes
    case .sealed(let value): return Array((try value.opened(with: secrets).stringValue ?? "").utf8)
    }
  }

  func openedText(with secrets: [String: Secret]) throws(DriverFailure) -> String {
    String(decoding: try opened(with: secrets), as: UTF8.self)
  }
}

/// A table of one key that stands for text with a secret in it.
private enum Seal {
  case secret(String)
  case join([Value])
  case base64(Value)

  init?(_ value: Value) {
    guard case .object(let fields) = value, fields.count == 1, let (key, inner) = fields.first else { return nil }
    switch (key, inner) {
    case (Node.secretKey, .string(let name)): self = .secret(name)
    case (Node.joinKey, .array(let parts)): self = .join(parts)
    case (Node.base64Key, _): self = .base64(inner)
    default: return nil
    }
  }
}

extension Value {
  /// This document with every sealed text opened. Fails for a secret that the call was not given.
  func opened(with secrets: [String: Secret]) throws(DriverFailure) -> Value {
    switch self {
    case .null, .bool, .int, .double, .string: return self
    case .array(let items):
      var opened: [Value] = []
      for item in items { opened.append(try item.opened(with: secrets)) }
      return .array(opened)
    case .object(let fields):
      if let seal = Seal(self) { return .string(try Self.text(of: seal, secrets)) }
      var opened: [String: Value] = [:]
      for (key, value) in fields { opened[key] = try value.opened(with: secrets) }
      return .object(opened)
    }
  }

  private static func text(of seal: Seal, _ secrets: [String: Secret]) throws(DriverFailure) -> String {
    switch seal {
    case .secret(let name):
      guard let secret = secrets[name] else {
        throw DriverFailure(
          .configInvalid, "the agent has no secret `\(name)`",
          hint: "put its text into the file secrets/\(name) of the agent's data folder")
      }
      return secret.open { $0 }
    case .join(let parts):
      var text = ""
      for part in parts { text += try part.opened(with: secrets).plainText }
      return text
    case .base64(let inner): return Data(try inner.opened(with: secrets).plainText.utf8).base64EncodedString()
    }
  }

  private var plainText: String {
    switch self {
    case .string(let text): text
    case .int, .double, .bool: json()
    case .null, .array, .object: ""
    }
  }
}
