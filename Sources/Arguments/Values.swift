/// Stands for one declared parameter, and carries the type of its value.
public struct Key<Value: Sendable>: Sendable {
  let index: Int
  let owner: Declaration.Identity
}

/// What the command line gave for each parameter of a command.
public struct Values: Sendable {
  private let owner: Declaration.Identity
  private let values: [any Sendable]

  /// One value for each parameter of the declaration, in its order.
  init(owner: Declaration.Identity, values: [any Sendable]) {
    self.owner = owner
    self.values = values
  }

  public subscript<Value>(key: Key<Value>) -> Value {
    guard key.owner === owner, let value = values[key.index] as? Value else {
      preconditionFailure("A key of another command was used: read values only by keys that this command declared.")
    }
    return value
  }
}
