extension Schema {
  /// States: 0 queued, 1 leased, 2 building, 3 starting, 4 running, 5 succeeded, 6 failed, 7 stopped, 8 lost.
  /// Reasons: see `Reason.number`; 0 stands for none in `tally`.
  ///
  /// Every index that a lease or a lapse reads is partial: it holds only runs that wait or live, so their cost does not
  /// grow with history. `spec` is a table of its own, so that a change of state never writes it again.
  static let step1 = """
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counter VALUES ('epoch', 0), ('ticket', 0), ('order', 0);

    CREATE TABLE entity (name TEXT PRIMARY KEY, created_at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE account (
      name TEXT PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('admin', 'member', 'agent')), created_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE member (
      entity TEXT NOT NULL REFERENCES entity, account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
      PRIMARY KEY (entity, account)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX member_account ON member (account);
    CREATE TABLE key (
      id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 BLOB NOT NULL UNIQUE,
      account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
      label TEXT NOT NULL, created_at REAL NOT NULL, used_at REAL, revoked_at REAL
    ) STRICT;
    CREATE INDEX key_account ON key (account);

    CREATE TABLE project (
      id INTEGER PRIMARY KEY, entity TEXT NOT NULL, name TEXT NOT NULL, runs INTEGER NOT NULL DEFAULT 0,
      UNIQUE (entity, name)
    ) STRICT;
    CREATE TABLE queue (
      id INTEGER PRIMARY KEY, entity TEXT NOT NULL, name TEXT NOT NULL,
      gate TEXT NOT NULL DEFAULT 'open' CHECK (gate IN ('open', 'paused', 'draining')),
      UNIQUE (entity, name)
    ) STRICT;
    CREATE TABLE definition (
      queue INTEGER PRIMARY KEY REFERENCES queue, document TEXT NOT NULL, author TEXT NOT NULL, created_at REAL NOT NULL
    ) STRICT;

    CREATE TABLE job (
      id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project, name TEXT NOT NULL, UNIQUE (project, name)
    ) STRICT;
    CREATE INDEX job_name ON job (name);
    CREATE TABLE job_version (
      job INTEGER NOT NULL REFERENCES job, version INTEGER NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL,
      author TEXT NOT NULL, created_at REAL NOT NULL, PRIMARY KEY (job, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE alias (
      job INTEGER NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (job, alias),
      FOREIGN KEY (job, version) REFERENCES job_version
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE agent (
      id TEXT PRIMARY KEY, entity TEXT NOT NULL, name TEXT NOT NULL, account TEXT NOT NULL,
      refused INTEGER NOT NULL, drain INTEGER NOT NULL, leaving INTEGER NOT NULL, orders INTEGER NOT NULL,
      registered_at REAL NOT NULL, heartbeat_at REAL NOT NULL,
      UNIQUE (entity, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE agent_body (
      agent TEXT PRIMARY KEY REFERENCES agent ON DELETE CASCADE, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE needs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;

    CREATE TABLE run (
      seq INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      entity TEXT NOT NULL,
      project INTEGER NOT NULL REFERENCES project,
      queue INTEGER NOT NULL REFERENCES queue,
      job INTEGER REFERENCES job,
      needs INTEGER NOT NULL REFERENCES needs,
      author TEXT NOT NULL,
      priority INTEGER NOT NULL,
      retry TEXT,
      queue_timeout REAL,
      created_at REAL NOT NULL,
      state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
      reason INTEGER,
      message TEXT,
      exit_code INTEGER,
      signal INTEGER,
      attempt INTEGER NOT NULL,
      epoch INTEGER NOT NULL,
      agent TEXT,
      lease_until REAL,
      retries INTEGER NOT NULL,
      not_before REAL NOT NULL,
      stop_requested INTEGER NOT NULL,
      queued_at REAL NOT NULL,
      started_at REAL,
      finished_at REAL,
      log_size INTEGER NOT NULL,
      ticket INTEGER NOT NULL,
      delayed INTEGER NOT NULL,
      deadline REAL,
      CHECK ((state BETWEEN 1 AND 4) = (lease_until IS NOT NULL))
    ) STRICT;
    CREATE INDEX run_ready ON run (queue, needs, priority, ticket) WHERE state = 0 AND delayed = 0;
    CREATE INDEX run_delayed ON run (not_before) WHERE state = 0 AND delayed = 1;
    CREATE INDEX run_deadline ON run (deadline) WHERE state = 0 AND deadline IS NOT NULL;
    CREATE INDEX run_lease ON run (lease_until) WHERE state BETWEEN 1 AND 4;
    CREATE INDEX run_agent ON run (agent) WHERE state BETWEEN 1 AND 4;
    CREATE INDEX run_waiting ON run (seq) WHERE state = 0;
    CREATE INDEX run_unhappy ON run (seq) WHERE state BETWEEN 6 AND 8;
    CREATE INDEX run_error ON run (finished_at) WHERE state = 6 OR state = 8;
    CREATE INDEX run_queue ON run (queue, seq);
    CREATE INDEX run_project ON run (project, seq);
    CREATE INDEX run_entity ON run (entity, seq);
    CREATE INDEX run_author ON run (author, seq);
    CREATE INDEX run_job ON run (job, seq) WHERE job IS NOT NULL;
    CREATE TABLE spec (run INTEGER PRIMARY KEY REFERENCES run, body BLOB NOT NULL) STRICT;
    CREATE TABLE submit_key (
      author TEXT NOT NULL, key TEXT NOT NULL, run INTEGER NOT NULL REFERENCES run, PRIMARY KEY (author, key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE tally (
      queue INTEGER NOT NULL REFERENCES queue, state INTEGER NOT NULL, reason INTEGER NOT NULL, needs INTEGER NOT NULL,
      n INTEGER NOT NULL, PRIMARY KEY (queue, state, reason, needs)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE event (
      number INTEGER PRIMARY KEY, run INTEGER NOT NULL, attempt INTEGER NOT NULL, at REAL NOT NULL,
      from_state INTEGER, to_state INTEGER NOT NULL, reason INTEGER, exit_code INTEGER, agent TEXT, message TEXT
    ) STRICT;
    CREATE INDEX event_run ON event (run);

    CREATE TABLE sample (
      run INTEGER NOT NULL, at REAL NOT NULL, cpu REAL, memory INTEGER, gpu REAL, gpu_memory INTEGER,
      PRIMARY KEY (run, at)
    ) STRICT, WITHOUT ROWID;
    """
}
