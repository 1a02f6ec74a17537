import Lua
import Model
import Processes

/// Local processes that outlive the agent.
extension HostFunctions {
  /// The token of a handle, or the token itself. It names a folder, so it must not lead anywhere else.
  func token(_ tree: LuaTree) throws(LuaError) -> String {
    guard let token = tree.string ?? tree["token"].string, Processes.isToken(token) else {
      throw LuaError(.runtime, "not a handle of a local process")
    }
    return token
  }

  func processes(in state: LuaState) -> [String: LuaReference] {
    let processes = services.processes
    func guarded(_ body: @escaping (borrowing LuaCall) throws -> [LuaValue]) -> LuaReference {
      state.function { (call: borrowing LuaCall) -> [LuaValue] in
        try permits.require(.process)
        return try body(call)
      }
    }
    return [
      "process.probe": guarded { _ in
        var lacks: [LuaTree] = []
        if !processes.cgroups.limitsMemory { lacks.append(.string(Capability.memoryLimit.rawValue)) }
        if !processes.cgroups.limitsCPU { lacks.append(.string(Capability.cpuLimit.rawValue)) }
        let detail = lacks.isEmpty ? "processes, with limits of memory and CPU" : "processes, without control groups"
        return [.tree(["health": "healthy", "detail": .string(detail), "lacks": .table(LuaTable(items: lacks))])]
      },
      "process.find": guarded { call in
        let token = try token(call.tree(1))
        switch processes.status(of: token) {
        case .absent: return [.nothing]
        case .unreadable(let failure): return Self.failed(DriverFailure(.unavailable, failure.message, retry: .safe))
        case .running, .ended, .vanished: return [.tree(["token": .string(token)])]
        }
      },
      "process.status": guarded { call in
        guard case .table(let handles) = try call.tree(1) else { throw call.badArgument(1, "list of handles") }
        return [.tree(.table(LuaTable(items: try handles.items.map { Self.row(processes.status(of: try token($0))) })))]
      },
      "process.output": guarded { call in
        let token = try token(call.tree(1))
        // Asked before the file is read: what ended before has written all that is then read.
        let mayRun = processes.status(of: token).mayRun
        return [.tree(["file": .string(processes.folder(of: token) + "/output.log"), "done": .boolean(!mayRun)])]
      },
      "process.stop": guarded { call in
        processes.stop(try token(call.tree(1)), grace: try call.number(2))
        return [.boolean(true)]
      },
      "process.signal": guarded { call in
        processes.signal(try token(call.tree(1)), Int32(clamping: try call.integer(2)))
        return [.boolean(true)]
      },
      "process.forget": guarded { call in
        let token = try token(call.tree(1))
        do throws(ProcessFailure) {
          try processes.remove(token)
          return [.boolean(true)]
        } catch {
          return Self.failed(error)
        }
      },
      "process.usage": guarded { call in
        guard case .table(let handles) = try call.tree(1) else { throw call.badArgument(1, "list of handles") }
        let tokens = try handles.items.map { try token($0) }
        let usage = processes.usage(of: tokens)
        return [
          .tree(
            .table(
              LuaTable(
                items: tokens.map { token in
                  usage[token].map { ["cpu": .number($0.cpu), "memory": .integer($0.memory)] } ?? .boolean(false)
                })))
        ]
      },
    ]
  }

  private static func row(_ status: HeldStatus) -> LuaTree {
    switch status {
    case .running: return ["state": "running"]
    case .absent: return ["state": "lost", "message": "nothing of this run is on this machine"]
    case .unreadable(let failure): return ["state": "unknown", "message": .string(failure.message)]
    case .vanished:
      return ["state": "lost", "message": "the program and what held it are gone without a note of how it ended"]
    case .ended(let ending):
      if ending.wasFenced {
        return [
          "state": "lost", "message": "stopped because its lease was not renewed, so that no retry runs beside it",
        ]
      }
      var fields: [String: LuaTree] = ["state": .string(ending.exitCode == 0 ? "succeeded" : "failed")]
      if let code = ending.exitCode { fields["exit_code"] = .integer(Int64(code)) }
      if let signal = ending.signal { fields["signal"] = .integer(Int64(signal)) }
      if ending.outOfMemory {
        fields["out_of_memory"] = .boolean(true)
        fields["message"] = .string("the kernel killed it at its memory limit")
      }
      return .table(LuaTable(fields: fields))
    }
  }
}

extension DriverFailure {
  init(_ failure: ProcessFailure) {
    let (code, retry): (Code, Retry) =
      switch failure.code {
      case .notFound: (.notFound, .never)
      case .permission: (.auth, .never)
      case .invalid: (.configInvalid, .never)
      case .unsupported: (.unsupported, .never)
      case .busy: (.conflict, .after(1))
      case .cancelled: (.cancelled, .never)
      case .resources: (.unavailable, .safe)
      case .system: (.targetError, .never)
      }
    self.init(code, failure.message, hint: failure.hint, retry: retry)
  }
}
