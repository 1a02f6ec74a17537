import CLua
import Synchronization

/// A value kept alive in one state: a function, a table, anything. Usable only with that state; other states refuse
/// it. Letting go of it from any thread frees the value the next time the state works.
public final class LuaReference: Sendable {
  @usableFromInline let id: Int32
  @usableFromInline let kept: KeptReferences

  init(id: Int32, kept: KeptReferences) {
    self.id = id
    self.kept = kept
  }

  deinit { kept.letGo(id) }
}

/// What a chunk's global names mean: a table with its own copies of the library and what the embedder put there.
public struct LuaEnvironment: Sendable {
  public let reference: LuaReference
}

/// References that were let go, possibly on another thread, and wait for the state to drop them.
@usableFromInline final class KeptReferences: Sendable {
  private let dead = Mutex<[Int32]>([])
  /// By the tags of the tables that get them. They stay as long as the state.
  private let metatables = Mutex<[String: Int32]>([:])
  @usableFromInline let waiting = Atomic<Bool>(false)

  @inlinable var isSweepDue: Bool { waiting.load(ordering: .acquiring) }

  func metatable(_ tag: String) -> Int32? { metatables.withLock { $0[tag] } }

  func setMetatable(_ id: Int32, _ tag: String) { metatables.withLock { $0[tag] = id } }

  func letGo(_ id: Int32) {
    dead.withLock { $0.append(id) }
    waiting.store(true, ordering: .releasing)
  }

  /// On the state's thread, while no Lua code is on the stack below that could still need them by number.
  @usableFromInline func sweep(_ lua: OpaquePointer) {
    guard isSweepDue else { return }
    waiting.store(false, ordering: .relaxed)
    let ids = dead.withLock { ids in
      defer { ids = [] }
      return ids
    }
    for id in ids { clua_drop(lua, id) }
  }
}
