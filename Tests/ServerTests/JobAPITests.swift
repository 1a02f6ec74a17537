import HTTP
import Hashing
import Model
import Testing

@testable import Server

struct JobAPITests {
  @Test func aVersionIsMadeOnlyWhereSomethingChanged() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      #expect(try await api.job().version == 0)
      #expect(try await api.job().version == 0)
      #expect(try await api.job(text: "print(2)").version == 1)
      let versions = try await api.send(.get, "/api/v1/jobs/default/p/train/versions").decode(PageView<JobVersion>.self)
      #expect(versions.items.map(\.version) == [1, 0])
      let latest = try await api.send(.get, "/api/v1/jobs/default/p/train").decode(JobVersion.self)
      #expect((latest.version, latest.aliases, latest.author) == (1, ["latest"], "admin"))
      #expect(try await api.send(.get, "/api/v1/jobs/default/p/train?alias=v0").body["version"] == 0)
      #expect(try await api.send(.get, "/api/v1/jobs/default/p/train?alias=v9").status == 404)
      let jobs = try await api.send(.get, "/api/v1/jobs?project=p").decode(PageView<JobVersion>.self)
      #expect(jobs.items.map(\.name) == ["train"])
    }
  }

  @Test func anAliasNamesOneVersionAndMoves() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      _ = try await api.job()
      _ = try await api.job(text: "print(2)")
      let job = "/api/v1/jobs/default/p/train"
      let first = try await api.send(.put, job + "/aliases/best", ["version": 0])
      #expect(first.status == 200 && first.body["version"] == 0 && first.body["aliases"] == ["best"], "\(first.text)")
      let moved = try await api.send(.put, job + "/aliases/best", ["version": 1])
      #expect(moved.body["aliases"] == ["best", "latest"], "\(moved.text)")
      #expect(try await api.send(.put, job + "/aliases/best", ["version": 7]).status == 404)
      for taken in ["latest", "v3"] {
        #expect(try await api.send(.put, job + "/aliases/\(taken)", ["version": 0]).status == 422)
      }
      #expect(try await api.send(.delete, job + "/aliases/best").status == 204)
      #expect(try await api.send(.get, job + "?alias=best").status == 404)
      #expect(try await api.send(.delete, "/api/v1/jobs/other/p/train/aliases/best").status == 404)
    }
  }

  @Test func aJobIsNamedAfterItsEntryPointWhereItHasNoName() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let file = try await api.upload("a.py", "1")
      let manifest = try await api.upload("m", Value(encoding: Manifest(files: [file])).json())
      let source = Source(kind: .code, manifest: manifest.sha256, entryPoint: ["python3", "src/a.py"])
      let answer = try await api.post("/api/v1/jobs", JobRequest(project: "p", source: source, aliases: ["best"]))
      #expect(answer.status == 201)
      #expect(answer.body["job"]?["name"] == "job-python3-src-a.py")
      #expect(try await api.send(.get, "/api/v1/jobs/default/p/job-python3-src-a.py?alias=best").status == 200)
      let version = try await api.post("/api/v1/jobs", JobRequest(project: "p", source: source, aliases: ["v3"]))
      #expect(version.status == 422)
    }
  }

  @Test func aGitJobIsKeptWithItsCommitAndNoOtherAddressIsTaken() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let commit = String(repeating: "0a", count: 20)
      func make(_ git: GitSource) async throws -> TestAPI.Answer {
        try await api.post(
          "/api/v1/jobs",
          JobRequest(project: "p", source: Source(kind: .git, git: git, entryPoint: ["python3", "a.py"])))
      }
      let made = try await make(GitSource(url: "https://git.example/a", commit: commit, ref: "main"))
      #expect(made.status == 201, "\(made.text)")
      #expect(made.body["job"]?["name"] == "job-https-git.example-a-a.py")
      #expect(made.body["job"]?["source"]?["git"]?["ref"] == "main")
      let same = try await make(GitSource(url: "https://git.example/a", commit: commit, ref: "other"))
      #expect(same.status == 200, "another branch of the same commit is no change")
      let moved = try await make(GitSource(url: "https://git.example/a", commit: String(commit.reversed())))
      #expect(moved.body["job"]?["version"] == 1)
      for bad in [
        GitSource(url: "file:///srv/x", commit: commit), GitSource(url: "ext::sh -c id", commit: commit),
        GitSource(url: "https://evil.example/a", commit: commit, secret: "git-git.example"),
        GitSource(url: "https://git.example/a", commit: "main"),
        GitSource(url: "https://git.example/a", commit: commit, folder: "../up"),
      ] {
        #expect(try await make(bad).status == 422, "\(bad)")
      }
    }
  }

  @Test func anImageJobIsKnownByItsDigestAndNamedByItsTags() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let digest = "sha256:" + String(repeating: "0a", count: 32)
      func make(_ image: String, alias: String) async throws -> TestAPI.Answer {
        try await api.send(
          .post, "/api/v1/jobs",
          ["project": "p", "source": ["kind": "image", "image": .string(image)], "aliases": [.string(alias)]])
      }
      let first = try await make("team/app:1.0@\(digest)", alias: "1.0")
      #expect(first.status == 201, "\(first.text)")
      #expect(first.body["job"]?["name"] == "job-team-app")
      #expect(first.body["job"]?["source"]?["image"] == .string("docker.io/team/app:1.0@\(digest)"))
      let again = try await make("team/app:1@\(digest)", alias: "1")
      #expect(again.status == 200)
      #expect(again.body["job"]?["aliases"] == ["1", "1.0", "latest"])
      let bad = try await make("Team/App", alias: "1")
      #expect((bad.status, bad.code) == (422, "invalid"))
      #expect(bad.message.contains("capital letters"))
    }
  }

  @Test func aRunsConfigIsHeldAgainstTheInputsOfItsJob() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let schema = Inputs(inferredFrom: ["lr": 0.1, "epochs": 3]).schema
      func make(_ inputs: Value?) async throws -> TestAPI.Answer {
        var body: [String: Value] = [
          "project": "p", "name": "train", "source": ["kind": "image", "image": "alpine"],
        ]
        body["inputs"] = inputs
        return try await api.send(.post, "/api/v1/jobs", .object(body))
      }
      func launch(_ config: [String: Value]) async throws -> TestAPI.Answer {
        try await api.post(
          "/api/v1/runs", Submission(job: "p/train", queue: "q", overrides: Overrides(runConfig: config)))
      }
      #expect(try await make(nil).status == 201)
      #expect(try await launch(["whatever": 1]).status == 201, "of a job without inputs nothing is known")
      let made = try await make(schema)
      #expect(made.body["job"]?["version"] == 1, "other inputs are another version")
      #expect(made.body["job"]?["inputs"] == schema)
      #expect(try await make(schema).status == 200)
      let silent = try await make(nil)
      #expect(silent.status == 200 && silent.body["job"]?["inputs"] == schema, "who says nothing changes nothing")
      #expect(try await launch(["lr": 1]).body["run_config"] == ["lr": 1, "epochs": 3])
      let bad = try await launch(["lrr": 1, "epochs": "many"])
      #expect((bad.status, bad.code) == (422, "invalid"))
      #expect(bad.body["error"]?["problems"]?.arrayValue?.map { $0["code"] ?? .null } == ["S0017", "S0016"])
      #expect(bad.text.contains("did you mean `lr`?"))
      let odd = try await make(["type": "object", "properties": ["a": ["type": "string", "pattern": "x"]]])
      #expect(odd.status == 422)
      #expect(odd.message.contains("`pattern`"))
    }
  }

  @Test func whatWasNotUploadedIsNamed() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let here = try await api.upload("here.py", "1")
      let away = Manifest.File(path: "away.py", sha256: try Hash.of("2").hex, size: 1, executable: false)
      let missing = try await api.post("/api/v1/blobs/missing", BlobQuestion(sha256: [here.sha256, away.sha256]))
      #expect(try missing.decode(BlobAnswer.self).missing == [away.sha256])
      func make(_ manifest: String) async throws -> TestAPI.Answer {
        try await api.post(
          "/api/v1/jobs",
          JobRequest(
            project: "p", name: "j", source: Source(kind: .code, manifest: manifest, entryPoint: ["here.py"])))
      }
      let nothing = try await make(away.sha256)
      #expect((nothing.status, nothing.code) == (422, "missing"))
      let manifest = try await api.upload("m", Value(encoding: Manifest(files: [here, away])).json())
      let incomplete = try await make(manifest.sha256)
      #expect(incomplete.code == "missing")
      #expect(incomplete.message.contains("away.py"))
      _ = try await api.upload("away.py", "2")
      #expect(try await make(manifest.sha256).status == 201)
      let noManifest = try await make(here.sha256)
      #expect(noManifest.message.contains("is no manifest"))
    }
  }

  @Test func contentIsStoredUnderItsHashAndNoOther() async throws {
    try await TestAPI.with { (api) async throws -> Void in
      let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let digest = try Hash.of(bytes).hex
      #expect(try await api.send(.get, "/api/v1/blobs/\(digest)").status == 404)
      #expect(try await api.send(.put, "/api/v1/blobs/\(digest)", bytes: bytes).body["size"] == 3_000_000)
      #expect(try await api.send(.get, "/api/v1/blobs/\(digest)").bytes == bytes)
      let part = try await api.send(.get, "/api/v1/blobs/\(digest)", headers: ["Range": "bytes=10-19"])
      #expect(part.bytes == Array(bytes[10..<20]))
      let wrong = try await api.send(.put, "/api/v1/blobs/\(digest)", bytes: [1, 2, 3])
      #expect(wrong.status == 422)
      let empty = try Hash.of("").hex
      #expect(try await api.send(.put, "/api/v1/blobs/\(empty)").status == 201)
      #expect(try await api.send(.get, "/api/v1/blobs/\(empty)").bytes == [])
      #expect(try await api.send(.put, "/api/v1/blobs/\(digest)", bytes: bytes, as: "").status == 401)
    }
  }
}
