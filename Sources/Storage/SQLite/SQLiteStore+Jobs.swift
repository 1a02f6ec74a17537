import Model

extension SQLiteStore {
  public func createJobVersion(
    _ job: NewJobVersion, now: Double
  ) async throws(StoreError) -> (version: JobVersion, created: Bool) {
    for name in [job.job.entity, job.job.project, job.job.name] {
      if let problem = Name.problem(with: name) { throw StoreError(.invalid, "the name `\(name)` \(problem)") }
    }
    for alias in job.aliases { try checkAlias(alias) }
    let source = try Codec.text(job.source)
    let inputs = try job.inputs.map { (inputs) throws(StoreError) in try Codec.text(inputs) }
    return try await write { (transaction) throws(StoreError) in
      let db = transaction.db
      let id = try transaction.job(job.job)
      let newest = try db.first(
        "SELECT version, digest FROM job_version WHERE job = ? ORDER BY version DESC LIMIT 1", .int(id)
      ) { (version: $0.count(0), digest: $0.text(1)) }
      var version = newest?.version ?? 0
      let created = newest?.digest != job.digest
      if created {
        version = (newest?.version ?? -1) + 1
        try db.execute(
          """
          INSERT INTO job_version (job, version, source, inputs, digest, author, created_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """,
          .int(id), .int(version), .text(source), .text(inputs), .text(job.digest), .text(job.author), .real(now))
      }
      for alias in ["latest"] + job.aliases { try transaction.name(id, version, alias) }
      transaction.note(.job(job.job))
      return (try db.version(job.job, id, version), created)
    }
  }

  public func setAlias(_ alias: String, of job: JobName, to version: Int) async throws(StoreError) {
    try checkAlias(alias)
    guard alias != "latest" else {
      throw StoreError(.invalid, "`latest` always names the newest version", hint: "choose another alias")
    }
    try await write { (transaction) throws(StoreError) in
      let id = try transaction.db.require(job: job)
      _ = try transaction.db.version(job, id, version)
      try transaction.name(id, version, alias)
      transaction.note(.job(job))
    }
  }

  public func removeAlias(_ alias: String, of job: JobName) async throws(StoreError) {
    guard alias != "latest" else {
      throw StoreError(.invalid, "`latest` always names the newest version")
    }
    try await write { (transaction) throws(StoreError) in
      let id = try transaction.db.require(job: job)
      try transaction.db.execute("DELETE FROM alias WHERE job = ? AND alias = ?", .int(id), .text(alias))
      if transaction.db.changed > 0 { transaction.note(.job(job)) }
    }
  }

  public func job(
    _ reference: JobReference, entity: String, project: String?
  ) async throws(StoreError) -> JobVersion {
    try await read { (db) throws(StoreError) in
      let entity = reference.entity ?? entity
      let (name, id) = try db.find(reference.name, entity: entity, given: reference.project, near: project)
      var version = reference.version
      if version == nil {
        version = try db.first(
          "SELECT version FROM alias WHERE job = ? AND alias = ?", .int(id), .text(reference.alias)
        ) { $0.count(0) }
      }
      guard let version else {
        let aliases = try db.all("SELECT alias FROM alias WHERE job = ? ORDER BY alias", .int(id)) { $0.text(0) }
        throw StoreError(
          .notFound, "job `\(name.text)` has no version named `\(reference.alias)`",
          hint: "its aliases: \(aliases.joined(separator: ", "))")
      }
      return try db.version(name, id, version)
    }
  }

  public func jobs(
    entity: String, project: String?, after cursor: Cursor?, limit: Int
  ) async throws(StoreError) -> Page<JobVersion> {
    let limit = min(max(limit, 1), StoreLimits.pageItemsMax)
    // A name has no slash, so `project/name` reads back as it was written.
    let after = (cursor?.text ?? "/").split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard after.count == 2 else { throw StoreError(.invalid, "`\(cursor?.text ?? "")` is no cursor of this list") }
    return try await read { (db) throws(StoreError) in
      var found = try db.all(
        """
        SELECT p.name, j.name, j.id, (SELECT max(version) FROM job_version v WHERE v.job = j.id)
        FROM project p JOIN job j ON j.project = p.id
        WHERE p.entity = ?1 AND (?2 IS NULL OR p.name = ?2) AND (p.name, j.name) > (?3, ?4)
        ORDER BY p.name, j.name LIMIT ?5
        """,
        .text(entity), .text(project), .text(after[0]), .text(after[1]), .int(limit + 1)
      ) { (JobName(entity: entity, project: $0.text(0), name: $0.text(1)), $0.int(2), $0.count(3)) }
      let hasMore = found.count > limit
      if hasMore { found.removeLast() }
      var jobs: [JobVersion] = []
      for (name, id, version) in found { jobs.append(try db.version(name, id, version)) }
      return Page(items: jobs, next: hasMore ? found.last.map { Cursor("\($0.0.project)/\($0.0.name)") } : nil)
    }
  }

  public func versions(
    of job: JobName, after cursor: Cursor?, limit: Int
  ) async throws(StoreError) -> Page<JobVersion> {
    let limit = min(max(limit, 1), StoreLimits.pageItemsMax)
    let before = try cursor.map { (cursor) throws(StoreError) in try cursor.number() }
    return try await read { (db) throws(StoreError) in
      let id = try db.require(job: job)
      var numbers = try db.all(
        "SELECT version FROM job_version WHERE job = ? AND version < ? ORDER BY version DESC LIMIT ?", .int(id),
        .int(before ?? Int64.max), .int(limit + 1)
      ) { $0.count(0) }
      let hasMore = numbers.count > limit
      if hasMore { numbers.removeLast() }
      var versions: [JobVersion] = []
      for number in numbers { versions.append(try db.version(job, id, number)) }
      return Page(items: versions, next: hasMore ? numbers.last.map { Cursor(number: Int64($0)) } : nil)
    }
  }
}

/// Refuses an alias that is no name, or that a reference would take for a version.
private func checkAlias(_ alias: String) throws(StoreError) {
  if let problem = Name.problem(with: alias) { throw StoreError(.invalid, "the alias \(problem)") }
  if alias.hasPrefix("v"), Int(alias.dropFirst()) != nil {
    throw StoreError(.invalid, "`\(alias)` names a version and cannot be an alias", hint: "choose another word")
  }
}

extension Change {
  fileprivate static func job(_ name: JobName) -> Change {
    .job(entity: name.entity, project: name.project, name: name.name)
  }
}

extension Transaction {
  /// The row number of a job, made where it is new.
  fileprivate func job(_ name: JobName) throws(StoreError) -> Int64 {
    if let known = try db.job(name) { return known }
    let project = try project(entity: name.entity, name: name.project)
    try db.execute("INSERT INTO job (project, name) VALUES (?, ?)", .int(project), .text(name.name))
    return db.lastRow
  }

  fileprivate func name(_ job: Int64, _ version: Int, _ alias: String) throws(StoreError) {
    try db.execute(
      "INSERT INTO alias (job, alias, version) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
      .int(job), .text(alias), .int(version))
  }
}

extension Connection {
  func job(_ name: JobName) throws(StoreError) -> Int64? {
    try first(
      "SELECT j.id FROM project p JOIN job j ON j.project = p.id WHERE p.entity = ? AND p.name = ? AND j.name = ?",
      .text(name.entity), .text(name.project), .text(name.name)
    ) { $0.int(0) }
  }

  fileprivate func require(job name: JobName) throws(StoreError) -> Int64 {
    guard let id = try job(name) else { throw StoreError(.notFound, "there is no job `\(name.text)`") }
    return id
  }

  fileprivate func version(_ name: JobName, _ id: Int64, _ version: Int) throws(StoreError) -> JobVersion {
    let aliases = try all(
      "SELECT alias FROM alias WHERE job = ? AND version = ? ORDER BY alias", .int(id), .int(version)
    ) { $0.text(0) }
    let found = try first(
      "SELECT source, digest, author, created_at, inputs FROM job_version WHERE job = ? AND version = ?", .int(id),
      .int(version)
    ) { (row) throws(StoreError) in
      let job = "job `\(name.text):v\(version)`"
      return JobVersion(
        entity: name.entity, project: name.project, name: name.name, version: version, aliases: aliases,
        source: try Codec.decode(Source.self, row.text(0).utf8, of: job),
        inputs: try row.textIfAny(4).map { (text) throws(StoreError) in
          try Codec.decode(Inputs.self, text.utf8, of: job)
        },
        digest: row.text(1), author: row.text(2), createdAt: row.real(3))
    }
    guard let found else { throw StoreError(.notFound, "job `\(name.text)` has no version v\(version)") }
    return found
  }

  /// The one job that a name means within an entity.
  fileprivate func find(
    _ name: String, entity: String, given: String?, near: String?
  ) throws(StoreError) -> (JobName, Int64) {
    let found = try all(
      "SELECT p.name, j.id FROM project p JOIN job j ON j.project = p.id WHERE p.entity = ? AND j.name = ? ORDER BY p.name",
      .text(entity), .text(name)
    ) { (JobName(entity: entity, project: $0.text(0), name: name), $0.int(1)) }
    if let given {
      if let exact = found.first(where: { $0.0.project == given }) { return exact }
    } else if let exact = found.first(where: { $0.0.project == near }) {
      return exact
    } else if found.count == 1 {
      return found[0]
    } else if found.count > 1 {
      throw StoreError(
        .ambiguous, "entity `\(entity)` has \(found.count) jobs named `\(name)`",
        hint: "say which: " + found.map { "\($0.0.project)/\(name)" }.joined(separator: ", "))
    }
    let wanted = given.map { "`\($0)/\(name)`" } ?? "`\(name)`"
    let elsewhere = found.map { "\($0.0.project)/\(name)" }.joined(separator: ", ")
    throw StoreError(
      .notFound, "entity `\(entity)` has no job \(wanted)",
      hint: elsewhere.isEmpty ? "list them with `lunaport job list`" : "it has \(elsewhere)")
  }
}
