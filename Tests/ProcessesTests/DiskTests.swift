import Glibc
import Testing

@testable import Processes

@Suite struct DiskTests {
  private let place: Place

  init() throws { place = try Place() }

  @Test func namesThatAreNoTextAreRemovedToo() async throws {
    // As a program writes them whose machine's language is not UTF-8.
    let script = """
      mkdir -p a/b && cd a && touch $(printf 'caf\\351') b/$(printf '\\377\\376') && mkdir $(printf '\\260\\241')
      """
    #expect(try await Command(["/bin/sh", "-c", script], folder: place.work).run().succeeded)
    try Disk.remove("\(place.work)/a")
    #expect(!Disk.exists("\(place.work)/a"))
  }

  @Test func nothingBehindALinkIsRemoved() throws {
    let kept = "\(place.work)/kept"
    try Disk.makeFolder(kept)
    try Disk.write("\(kept)/file", [1])
    try Disk.makeFolder("\(place.work)/a")
    #expect(symlink(kept, "\(place.work)/a/link") == 0)
    try Disk.remove("\(place.work)/a")
    #expect(symlink(kept, "\(place.work)/link") == 0)
    try Disk.remove("\(place.work)/link")
    #expect(!Disk.exists("\(place.work)/a") && !Disk.isLink("\(place.work)/link"))
    #expect(Disk.read("\(kept)/file") == [1])
    try Disk.remove("\(place.work)/not there")
  }

  @Test func foldersThatMayNotBeWrittenAreRemoved() async throws {
    // Modes do not bind root, whom the tests may run as: then it is another user who has to be able to.
    let script = "mkdir -p a/b/c && touch a/b/c/file && chmod 500 a/b/c && chmod 000 a/b && chmod 500 a"
    #expect(try await Command(["/bin/sh", "-c", script], folder: place.work).run().succeeded)
    try Disk.remove("\(place.work)/a")
    #expect(!Disk.exists("\(place.work)/a"))
  }

  @Test func whatCannotBeReadIsNoMissingFile() throws {
    let ring = "\(place.work)/ring"
    #expect(symlink(ring, ring) == 0)
    #expect(throws: ProcessFailure.self) { try Disk.contents(ring) }
    #expect(try Disk.contents("\(place.work)/none") == nil)
    try Disk.write("\(place.work)/some", [1, 2])
    #expect(try Disk.contents("\(place.work)/some") == [1, 2])
  }
}
