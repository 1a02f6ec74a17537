import Lua
import Model
import Processes

/// Files: the plugin's own folder, and those of the agent's machine that it may read.
extension HostFunctions {
  /// Bytes that `host.files.read` and `host.read` give at most: they are for notes and credentials, not for data.
  static let fileSizeMax = 1 << 20

  /// A path inside the plugin's folder; throws for one that leads out of it.
  func path(_ relative: String) throws(LuaError) -> String {
    try permits.require(.files)
    let parts = relative.split(separator: "/", omittingEmptySubsequences: true)
    guard !relative.hasPrefix("/"), !parts.isEmpty, !parts.contains(".."), !relative.contains("\0") else {
      throw LuaError(.runtime, "`\(relative)` is no path inside the plugin's data folder")
    }
    return services.data + "/" + parts.joined(separator: "/")
  }

  /// Output of a program that the plugin holds, or a file of its own folder: what the host may read in its name without
  /// any permission to read.
  func owns(_ file: String) -> Bool {
    if file.split(separator: "/").contains("..") { return false }
    return (permits.has(.process) && file.hasPrefix(services.processes.root + "/"))
      || (permits.has(.files) && file.hasPrefix(services.data + "/"))
  }

  func files(in state: LuaState) -> [String: LuaReference] {
    func answering(_ body: @escaping (borrowing LuaCall) throws -> [LuaValue]) -> LuaReference {
      state.function { (call: borrowing LuaCall) throws -> [LuaValue] in
        do {
          return try body(call)
        } catch let failure as ProcessFailure {
          return Self.failed(failure)
        } catch let failure as DriverFailure {
          return Self.failed(failure)
        }
      }
    }
    return [
      "files.exists": answering { call in [.boolean(Disk.exists(try path(call.string(1))))] },
      "files.path": answering { call in [.string(try path(call.string(1)))] },
      "files.size": answering { call in [Disk.size(try path(call.string(1))).map(LuaValue.integer) ?? .nothing] },
      "files.list": answering { call in
        [.list(Disk.names(in: try path(call.string(1))).sorted().map(LuaValue.string))]
      },
      "files.read": answering { call in
        [Disk.read(try path(call.string(1)), limit: Self.fileSizeMax).map(LuaValue.bytes) ?? .nothing]
      },
      "files.write": answering { call in
        let path = try folderMade(for: path(call.string(1)))
        try Disk.replace(path, with: try content(call))
        return [.boolean(true)]
      },
      "files.append": answering { call in
        let path = try folderMade(for: path(call.string(1)))
        try Disk.append(path, try content(call))
        return [.boolean(true)]
      },
      "files.remove": answering { call in
        let path = try path(call.string(1))
        if Disk.exists(path) { try Disk.remove(path) }
        return [.boolean(true)]
      },
      "read": answering { call in
        [.bytes(try Self.read(permits.readable(call.string(1))))]
      },
      "env": answering { call in
        let name = try call.string(1)
        try permits.require(.env, name)
        return [services.environment[name].map(LuaValue.string) ?? .nothing]
      },
    ]
  }

  /// The bytes of a small file of the agent's machine.
  static func read(_ path: String) throws(DriverFailure) -> [UInt8] {
    guard Disk.exists(path) else { throw DriverFailure(.notFound, "there is no file \(path)") }
    guard let size = Disk.fileSize(path) else { throw DriverFailure(.configInvalid, "\(path) is no file") }
    guard size <= fileSizeMax, let bytes = Disk.read(path, limit: fileSizeMax) else {
      throw size > fileSizeMax
        ? DriverFailure(.unsupported, "\(path) is larger than \(fileSizeMax) bytes")
        : DriverFailure(.auth, "\(path) cannot be read", hint: "let the agent's user read it")
    }
    return bytes
  }

  private func folderMade(for path: String) throws(ProcessFailure) -> String {
    if let slash = path.lastIndex(of: "/") { try Disk.makeFolder(String(path[..<slash])) }
    return path
  }

  private func content(_ call: borrowing LuaCall) throws -> [UInt8] {
    guard let text = HostText(try call.tree(2)) else { throw call.badArgument(2, "string") }
    return try text.opened(with: CallContext.current.secrets)
  }
}
