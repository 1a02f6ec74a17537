import Lua
import Model

/// One declaration of a file, as Lua gave it: `queue "gpu" { ... }`.
struct Declaration: Sendable {
  /// `queue`, `driver`, `resource`, `builder`, `hook`, `agent`.
  var word: String
  /// The name before the table; nil where there is none or it is no text.
  var name: String?
  var body: LuaTable
  var file: String
  /// Line of the call.
  var line: Int
  var written: SourceMap.Declaration?

  /// The word itself, or at least its line.
  var place: Place { written?.place ?? Place(file: file, line: line) }
  var namePlace: Place { written?.namePlace ?? place }

  /// The key at `path`, or the deepest part of it that is written as such, or the declaration.
  func key(_ path: Path) -> Place { written?.table.places(of: path)?.key ?? place }

  /// The value at `path`; like `key`.
  func value(_ path: Path) -> Place {
    guard let places = written?.table.places(of: path) else { return place }
    return places.isExact ? places.value : places.key
  }

  /// ``queue `gpu` ``
  var title: String { name.map { "\(word) `\($0)`" } ?? word }
}
