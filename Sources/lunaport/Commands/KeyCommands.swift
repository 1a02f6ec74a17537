import Arguments
import Client
import Model

extension Lunaport {
  var keyCommand: Command {
    Command(
      "key", "Make API keys and take them back (admins).", subcommands: [keyCreate, keyList, keyRevoke])
  }

  private var keyCreate: Command {
    Command(
      "create", "Make a key, and print it this one time.",
      discussion: """
        The account is made if there is none of that name. Roles: admin may do everything; member uses jobs, runs and \
        queues of its entities; agent serves an agent and submits nothing.

          lunaport key create alice --entity research
          lunaport key create box-1 --role agent --entity research
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let account = declare.argument("account", .string, help: "Whose key it is.")
      let role = declare.option(
        "role", .choice(of: Account.Role.self), help: "Role of the account; member for a new one.")
      let entities = declare.options("entity", short: "e", .string, help: "A team of the account; may be given again.")
      let label = declare.option("label", .string, help: "What the key is for.")
      let json = declare.json()
      return { values, console in
        let key = try await server.client(values).createKey(
          KeyRequest(
            account: values[account], role: values[role], entities: values[entities].isEmpty ? nil : values[entities],
            label: values[label]))
        if values[json] {
          try console.print(json: key)
        } else {
          let teams = key.entities.isEmpty ? "" : ", in \(key.entities.joined(separator: ", "))"
          console.report(
            printable("key \(key.id) of \(key.account) (\(key.role.rawValue)\(teams)); it is not shown again:"))
          try console.print(key.key ?? "")
        }
        return .ok
      }
    }
  }

  private var keyList: Command {
    Command("list", "List keys; their text is kept nowhere.") { declare in
      let server = ServerOptions(&declare, environment)
      let json = declare.json()
      return { values, console in
        let keys = try await server.client(values).keys().items
        if values[json] {
          try console.print(json: keys)
          return .ok
        }
        var table = Table([
          .init("ID"), .init("ACCOUNT"), .init("ROLE"), .init("ENTITIES"), .init("LABEL"), .init("MADE"), .init("USED"),
          .init("STATE"),
        ])
        for key in keys {
          table.append([
            .init(key.id, .bold), .init(key.account), .init(key.role.rawValue),
            .init(key.entities.joined(separator: ", ")), .init(key.label), .init(ago(key.createdAt, now: now())),
            .init(key.usedAt == nil ? "never" : ago(key.usedAt, now: now())),
            key.revokedAt == nil ? .init("good") : .init("revoked", .dim),
          ])
        }
        try console.print(table, ifEmpty: "no keys")
        return .ok
      }
    }
  }

  private var keyRevoke: Command {
    Command("revoke", "Take a key back: it is refused from now on.") { declare in
      let server = ServerOptions(&declare, environment)
      let id = declare.argument("id", .string, help: "The key's id, as 'key list' shows it.")
      let json = declare.json()
      return { values, console in
        try await server.client(values).revokeKey(values[id])
        if values[json] {
          try console.print(json: ["id": values[id]])
        } else {
          try console.print(printable("key \(values[id]) is revoked"))
        }
        return .ok
      }
    }
  }
}
