import Model

// The numbers that stand in the database for the words of the model. They are never changed or used again: a store of
// any release must mean the same.

extension RunState {
  var number: Int64 {
    switch self {
    case .queued: 0
    case .leased: 1
    case .building: 2
    case .starting: 3
    case .running: 4
    case .succeeded: 5
    case .failed: 6
    case .stopped: 7
    case .lost: 8
    }
  }

  private static let byNumber = Dictionary(uniqueKeysWithValues: RunState.allCases.map { ($0.number, $0) })

  init(number: Int64) throws(StoreError) {
    guard let state = RunState.byNumber[number] else {
      throw StoreError(.corrupt, "the database has a run in state \(number), which there is not")
    }
    self = state
  }
}

extension Reason {
  /// 0 stands for no reason.
  var number: Int64 {
    switch self {
    case .exit: 1
    case .signal: 2
    case .outOfMemory: 3
    case .build: 4
    case .start: 5
    case .timeout: 6
    case .queueTimeout: 7
    case .preempted: 8
    case .lost: 9
    case .stopped: 10
    }
  }

  private static let byNumber = Dictionary(uniqueKeysWithValues: Reason.allCases.map { ($0.number, $0) })

  init(number: Int64) throws(StoreError) {
    guard let reason = Reason.byNumber[number] else {
      throw StoreError(.corrupt, "the database has a reason \(number), which there is not")
    }
    self = reason
  }
}

extension Priority {
  private static let byRank = Dictionary(uniqueKeysWithValues: Priority.allCases.map { (Int64($0.rank), $0) })

  init(number: Int64) throws(StoreError) {
    guard let priority = Priority.byRank[number] else {
      throw StoreError(.corrupt, "the database has a priority \(number), which there is not")
    }
    self = priority
  }
}

extension Row {
  func state(_ column: Int32) throws(StoreError) -> RunState { try RunState(number: int(column)) }
  func stateIfAny(_ column: Int32) throws(StoreError) -> RunState? { isNull(column) ? nil : try state(column) }
  func reasonIfAny(_ column: Int32) throws(StoreError) -> Reason? {
    let number = int(column)
    return number == 0 ? nil : try Reason(number: number)
  }
}
