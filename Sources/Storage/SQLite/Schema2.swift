extension Schema {
  /// What a job's config may hold, as JSON Schema; null where nothing is known of that.
  static let step2 = "ALTER TABLE job_version ADD COLUMN inputs TEXT"
}
