import Model
import Testing

@Suite struct ManifestTests {
  private func file(_ path: String, link: String? = nil) -> Manifest.File {
    .init(path: path, sha256: String(repeating: "0", count: 64), size: 0, executable: false, link: link)
  }

  @Test(
    arguments: [
      ("../up.py", nil), ("/abs.py", nil), ("a//b", nil), ("./a", nil), ("", nil), ("a/../../b", nil), ("a\0b", nil),
      (String(repeating: "x", count: 256), nil), ("link", "../../etc/passwd"), ("link", "/etc/passwd"),
      ("d/link", "../../x"), ("link", ""), ("link", "a\0b"),
      // Through a link to a folder deeper down, `..` leads elsewhere than it seems.
      ("link", "d/../../x"), ("link", "d/../x"), ("link", String(repeating: "x/", count: 2_048)),
    ] as [(String, String?)]) func oneThatLeavesItsFolderIsRefused(path: String, link: String?)
  {
    #expect(Manifest(files: [file(path, link: link)]).problems.count == 1)
  }

  @Test func anOrdinaryOneIsFine() {
    let files = [
      file("a.py"), file("d/b.py"), file("d/c", link: "../a.py"), file("e", link: "d"), file("f", link: "./d"),
    ]
    #expect(Manifest(files: files).problems == [])
  }

  @Test func nothingLiesBelowAFileOrALinkAndNothingStandsTwice() {
    for above in [file("a"), file("a", link: "d")] {
      #expect(Manifest(files: [above, file("a/b")]).problems == ["`a/b` lies below `a`, which is no folder"])
    }
    #expect(Manifest(files: [file("a"), file("a")]).problems == ["the path `a` stands twice"])
  }

  @Test func contentHasAHashAndASize() {
    var odd = file("a")
    odd.sha256 = "../../../etc/passwd"
    odd.size = -1
    #expect(Manifest(files: [odd]).problems.count == 2)
    #expect(Manifest(files: [odd]).pathProblems == [], "of what git wrote no hash is known")
  }
}
