extension Schema {
  /// For `prune`: which runs ended first, and the submit keys of a run, which its deletion looks for.
  static let step3 = """
    CREATE INDEX run_ended ON run (finished_at) WHERE state BETWEEN 5 AND 8;
    CREATE INDEX submit_key_run ON submit_key (run);
    """
}
