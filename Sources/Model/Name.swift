/// Rules for names that people give: queues, jobs, projects, entities, agents, variables.
public enum Name {
  /// Why `text` is no name, in words that follow "the name ...", or nil where it is one.
  ///
  /// A name is 1 to `Limits.nameLength` letters, digits, `-`, `_` and `.`, starting with a letter or digit: it must be
  /// safe in a URL, a file name, a label and a shell.
  public static func problem(with text: String) -> String? {
    if text.isEmpty { return "is empty" }
    if text.utf8.count > Limits.nameLength { return "is longer than \(Limits.nameLength) characters" }
    if let bad = text.unicodeScalars.first(where: { !isAllowed($0) }) {
      return "contains `\(bad.escaped(asASCII: false))`; letters, digits, `-`, `_` and `.` are allowed"
    }
    if let first = text.first, !(first.isLetter || first.isNumber) { return "must start with a letter or a digit" }
    return nil
  }

  /// A safe name made of any text: every run of other characters becomes one `-`, as in
  /// `job-https---github.com-a-b-train.py`. Never empty.
  public static func safe(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      if isAllowed(scalar) {
        out.unicodeScalars.append(scalar)
      } else if !out.hasSuffix("-") {
        out += "-"
      }
    }
    while let first = out.first, !(first.isLetter || first.isNumber) { out.removeFirst() }
    while out.hasSuffix("-") { out.removeLast() }
    out = String(out.prefix(Limits.nameLength))
    return out.isEmpty ? "unnamed" : out
  }

  private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".": true
    default: false
    }
  }

  /// A run id: 8 lower-case letters and digits, as the wandb client makes them.
  public static func runID(using random: inout some RandomNumberGenerator) -> String {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<8).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] })
  }

  /// A run's name: two words and a number, such as `resilient-snowball-7`.
  public static func runName(number: Int64, using random: inout some RandomNumberGenerator) -> String {
    let first = adjectives[Int.random(in: 0..<adjectives.count, using: &random)]
    let second = nouns[Int.random(in: 0..<nouns.count, using: &random)]
    return "\(first)-\(second)-\(number)"
  }

  private static let adjectives = [
    "amber", "ancient", "autumn", "azure", "blooming", "bold", "brave", "bright", "calm", "celestial", "clear",
    "cool", "cosmic", "crimson", "crisp", "curious", "daring", "dashing", "deep", "distant", "dry", "eager", "early",
    "earnest", "easy", "electric", "elated", "fallen", "famous", "fancy", "fast", "feasible", "fine", "firm", "fresh",
    "frosty", "gentle", "giddy", "glad", "glowing", "golden", "grateful", "hardy", "hearty", "helpful", "honest",
    "icy", "iconic", "jolly", "jumping", "kind", "laced", "leafy", "light", "likely", "lively", "logical", "lucky",
    "lunar", "magic", "mild", "misty", "noble", "northern", "olive", "opal", "patient", "peachy", "pleasant", "polar",
    "polished", "prime", "proud", "quiet", "radiant", "rare", "resilient", "restful", "robust", "rosy", "royal",
    "scarlet", "serene", "silent", "silver", "smooth", "snowy", "solar", "spring", "steady", "stellar", "still",
    "summer", "sunny", "swift", "tidal", "upbeat", "valiant", "vivid", "warm", "wild", "winter", "wise", "young",
  ]

  private static let nouns = [
    "anchor", "aurora", "beacon", "bird", "blaze", "bloom", "breeze", "bridge", "brook", "butterfly", "canyon",
    "cherry", "cloud", "comet", "coral", "creek", "crest", "dawn", "deer", "dew", "dream", "dune", "dust", "eagle",
    "elm", "ember", "falcon", "feather", "fern", "field", "fire", "flower", "fog", "forest", "fox", "frost", "galaxy",
    "garden", "glade", "glacier", "grass", "grove", "harbor", "haze", "heron", "hill", "island", "jazz", "lake",
    "lantern", "leaf", "lion", "maple", "meadow", "mist", "moon", "morning", "mountain", "night", "oasis", "oak",
    "ocean", "orbit", "orchard", "owl", "pine", "planet", "plain", "pond", "rain", "reef", "resonance", "ridge",
    "river", "rocket", "sea", "shadow", "shape", "silence", "sky", "smoke", "snow", "snowball", "sound", "spark",
    "star", "stone", "storm", "stream", "sun", "sunset", "surf", "thunder", "tree", "valley", "violet", "voice",
    "water", "wave", "wildflower", "wind", "wood", "yogurt",
  ]
}
