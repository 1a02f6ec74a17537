import FoundationEssentials
import HTTP
import Hashing
import Lua
import Model
import YAML

/// Texts, numbers and codes: pure but for the clock and chance.
extension HostFunctions {
  func texts(in state: LuaState) -> [String: LuaReference] {
    let services = services
    func function(_ body: @escaping (borrowing LuaCall) throws -> [LuaValue]) -> LuaReference { state.function(body) }
    return [
      "now": function { _ in [.number(services.now())] },
      "wake": function { _ in
        guard let wake = CallContext.current.wake else {
          throw LuaError(.runtime, "host.wake can be called only in a driver's `watch`")
        }
        wake()
        return []
      },
      "random": function { call in
        let count = try call.integer(1)
        guard (1...1_024).contains(count) else { throw LuaError(.runtime, "1 to 1024 random bytes, not \(count)") }
        var chance = SystemRandomNumberGenerator()
        return [.string(Digest(bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &chance) }).hex)]
      },
      "bytes": function { call in
        let tree = try call.tree(1)
        guard let bytes = tree.scalar?.bytes else { throw LuaError(.runtime, "not a size, such as \"4Gi\"") }
        return [.integer(bytes)]
      },
      "seconds": function { call in
        let tree = try call.tree(1)
        guard let seconds = tree.scalar?.seconds else { throw LuaError(.runtime, "not a duration, such as \"12h\"") }
        return [.number(seconds)]
      },
      "time.parse": function { call in [InternetTime.seconds(of: try call.string(1)).map(LuaValue.number) ?? .nothing]
      },
      "time.format": function { call in
        guard let text = InternetTime.text(of: try call.number(1)) else {
          throw LuaError(.runtime, "no time of the years 1 to 9999")
        }
        return [.string(text)]
      },
      "sha256": function { call in [.string(try Hash.of(call.bytes(1)).hex)] },
      "hmac_sha256": function { call in [.bytes(try Signing.hmac(key: call.bytes(1), call.bytes(2)))] },
      "rs256": function { call in
        let (key, bytes) = (try call.bytes(1), try call.bytes(2))
        do throws(SigningError) {
          return [.bytes(try Signing.rs256(pem: key, bytes))]
        } catch {
          return Self.failed(DriverFailure(.configInvalid, error.description))
        }
      },
      "jwt": function { call in try Self.token(call.tree(1), call.tree(2)) },
      "base64.encode": function { call in [.string(Data(try call.bytes(1)).base64EncodedString())] },
      "base64.url": function { call in [.string(Self.urlSafe(try call.bytes(1)))] },
      "base64.decode": function { call in
        guard let bytes = Self.decoded(try call.bytes(1)) else {
          return Self.failed(DriverFailure(.targetError, "not valid base64"))
        }
        return [.bytes(bytes)]
      },
      "url.encode": function { call in [.string(PercentCoding.encode(try call.string(1)))] },
      "url.query": function { call in
        guard let query = Self.query(try call.tree(1)) else { throw call.badArgument(1, "table of texts and numbers") }
        return [.string(query)]
      },
      "json.encode": function { call in
        switch try call.tree(1).document() {
        case .success(let value): return [.string(value.json())]
        case .failure(let problem): throw LuaError(.runtime, "cannot be said in JSON: \(problem.text)")
        }
      },
      "yaml.decode": function { call in
        let bytes = try call.bytes(1)
        do throws(YAMLError) {
          return [.tree(LuaTree(try Value(yaml: bytes)))]
        } catch {
          return Self.failed(DriverFailure(.configInvalid, error.description))
        }
      },
      "json.decode": function { call in
        let bytes = try call.bytes(1)
        do throws(JSONError) {
          return [.tree(LuaTree(try Value(json: bytes)))]
        } catch {
          return Self.failed(DriverFailure(.targetError, error.description))
        }
      },
    ]
  }

  /// A JSON Web Token (RFC 7519), signed with RS256.
  private static func token(_ claims: LuaTree, _ how: LuaTree) throws -> [LuaValue] {
    guard let key = how["key"].bytes else { throw LuaError(.runtime, "a token is signed with a key: { key = PEM }") }
    var header: [String: LuaTree] = ["alg": "RS256", "typ": "JWT"]
    if let name = how["kid"].string { header["kid"] = .string(name) }
    var parts: [String] = []
    for part in [.table(LuaTable(fields: header)), claims] {
      switch part.document() {
      case .success(let value): parts.append(urlSafe(Array(value.json().utf8)))
      case .failure(let problem): throw LuaError(.runtime, "the claims cannot be said in JSON: \(problem.text)")
      }
    }
    let text = parts.joined(separator: ".")
    do throws(SigningError) {
      return [.string(text + "." + urlSafe(try Signing.rs256(pem: key, Array(text.utf8))))]
    } catch {
      return failed(DriverFailure(.configInvalid, error.description))
    }
  }

  /// Base64 for URLs and tokens (RFC 4648, 5), without padding.
  static func urlSafe(_ bytes: [UInt8]) -> String {
    let text = Data(bytes).base64EncodedString().utf8.compactMap { byte -> UInt8? in
      switch byte {
      case UInt8(ascii: "+"): UInt8(ascii: "-")
      case UInt8(ascii: "/"): UInt8(ascii: "_")
      case UInt8(ascii: "="): nil
      default: byte
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Either alphabet, with or without padding and line ends.
  private static func decoded(_ text: [UInt8]) -> [UInt8]? {
    var plain = text.compactMap { byte -> UInt8? in
      switch byte {
      case UInt8(ascii: "-"): UInt8(ascii: "+")
      case UInt8(ascii: "_"): UInt8(ascii: "/")
      case UInt8(ascii: "="), 0x20, 0x09, 0x0A, 0x0D: nil
      default: byte
      }
    }
    while plain.count % 4 != 0 { plain.append(UInt8(ascii: "=")) }
    return Data(base64Encoded: Data(plain)).map { Array($0) }
  }

  /// `a=1&b=2`, percent-coded and sorted by name; a list gives its name once an item. nil for what is no such table.
  static func query(_ tree: LuaTree) -> String? {
    guard case .table(let table) = tree, table.items.isEmpty, table.oddKeys.isEmpty else { return nil }
    var parts: [String] = []
    for (name, value) in table.fields.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      let items: [LuaTree]
      if case .table(let list) = value, list.fields.isEmpty { items = list.items } else { items = [value] }
      for item in items {
        guard let text = item.plainText else { return nil }
        parts.append(PercentCoding.encode(name) + "=" + PercentCoding.encode(text))
      }
    }
    return parts.joined(separator: "&")
  }
}

extension LuaTree {
  /// Text, a number, true or false, as it is written.
  var plainText: String? {
    if case .boolean(let flag) = self { flag ? "true" : "false" } else { text }
  }
}
