/// Longest word that is compared: what is longer is not a slip of the finger, and the comparison costs the product of
/// both lengths.
private let longestComparedWord = 64

/// The candidate that a person most likely meant by `word`, or nil when none is near enough to be worth naming.
///
/// Upper and lower case, `-` and `_` do not count as differences; a swapped pair of letters counts as one. A candidate
/// that `word` begins (three letters or more) is near. The same input gives the same answer: of equally near
/// candidates the first wins.
public func closest(to word: String, among candidates: some Sequence<String>) -> String? {
  let wanted = folded(word)
  guard !wanted.isEmpty, wanted.count <= longestComparedWord else { return nil }
  var best: (candidate: String, distance: Int)?
  for candidate in candidates where candidate != word {
    let offered = folded(candidate)
    guard !offered.isEmpty, offered.count <= longestComparedWord else { continue }
    guard let distance = nearness(of: offered, to: wanted) else { continue }
    if distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.candidate
}

private func folded(_ word: String) -> [Character] {
  word.lowercased().filter { $0 != "-" && $0 != "_" }
}

/// The number of edits between both words, or nil when they are too far apart to suggest one for the other.
private func nearness(of offered: [Character], to wanted: [Character]) -> Int? {
  let edits = editDistance(offered, wanted)
  // A third of the letters may be wrong, three at most; and something of both words must remain.
  let allowed = max(1, min(3, max(offered.count, wanted.count) / 3))
  if edits <= allowed, edits < min(offered.count, wanted.count) { return edits }
  if wanted.count >= 3, offered.starts(with: wanted) { return allowed + 1 }
  return nil
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
private func editDistance(_ first: [Character], _ second: [Character]) -> Int {
  var beforeLast = [Int](repeating: 0, count: second.count + 1)
  var last = Array(0...second.count)
  for row in 1...first.count {
    var current = [row] + [Int](repeating: 0, count: second.count)
    for column in 1...second.count {
      let replaced = last[column - 1] + (first[row - 1] == second[column - 1] ? 0 : 1)
      current[column] = min(replaced, last[column] + 1, current[column - 1] + 1)
      let swapped =
        row > 1 && column > 1 && first[row - 1] == second[column - 2] && first[row - 2] == second[column - 1]
      if swapped { current[column] = min(current[column], beforeLast[column - 2] + 1) }
    }
    (beforeLast, last) = (last, current)
  }
  return last[second.count]
}
