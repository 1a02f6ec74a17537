import Model
import Scripting

/// Who may call a route. What of it they see is decided by their entities.
enum Access: Sendable {
  /// Everybody, without a key.
  case open
  /// Everybody with a key.
  case anyone
  /// People: members and admins.
  case people
  case admin

  func allows(_ role: Account.Role) -> Bool {
    switch self {
    case .open, .anyone: true
    case .people: role != .agent
    case .admin: role == .admin
    }
  }
}

extension Account {
  /// The entity that is meant where a request names none: an admin's is that of queues which name none, a member's its
  /// first team.
  var defaultEntity: String {
    if role == .admin { return Configuration.defaultEntity }
    return entities.first ?? name
  }

  /// The entities whose things it sees; nil for all.
  var seen: [String]? { role == .admin ? nil : [name] + entities }
}
