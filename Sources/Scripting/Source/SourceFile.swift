import FoundationEssentials
import Model

/// A file of the configuration, read whole.
public struct SourceFile: Sendable, Hashable {
  /// Where it lies.
  public var path: String
  /// How it is shown: relative to the configuration's root, `queues.d/gpu.lua`.
  public var name: String
  public var text: String

  /// Bytes of a declaration file at most; the largest hand-written ones are a hundred times smaller.
  public static let sizeMax = 1 << 20

  public init(path: String, name: String, text: String) {
    self.path = path
    self.name = name
    self.text = text
  }

  /// Reads a file, or says why it cannot be read.
  public static func read(_ path: String, as name: String) -> Result<SourceFile, Diagnostic> {
    func problem(_ fact: String, help: String? = nil) -> Result<SourceFile, Diagnostic> {
      .failure(Diagnostic("C0004", "`\(name)` \(fact)", at: Place(file: name, line: 1), help: help))
    }
    let data: Data
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      if let size = attributes[.size] as? Int, size > sizeMax {
        return problem("is larger than \(Quantity.text(bytes: Int64(sizeMax)))")
      }
      data = try Data(contentsOf: URL(filePath: path))
    } catch let error as CocoaError where error.code == .fileReadNoPermission {
      return problem("cannot be read: permission denied", help: "let the user of this process read it")
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
      return problem("is not there")
    } catch {
      return problem("cannot be read")
    }
    guard data.count <= sizeMax else { return problem("is larger than \(Quantity.text(bytes: Int64(sizeMax)))") }
    guard let text = String(validating: data, as: UTF8.self) else {
      return problem("is not UTF-8 text", help: "save it as UTF-8")
    }
    return .success(SourceFile(path: path, name: name, text: text))
  }

  /// Names in a folder that `isWanted` takes, sorted; nil where the folder cannot be listed.
  static func names(in folder: String, where isWanted: (String) -> Bool) -> [String]? {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
    return names.filter { !$0.hasPrefix(".") && isWanted($0) }.sorted()
  }

  static func isFolder(_ path: String) -> Bool {
    var isDirectory = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

/// The last part of a path, with which its files are shown.
func lastPart(_ path: String) -> String {
  path.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? path
}

/// A path without its last part.
func parent(_ path: String) -> String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }
