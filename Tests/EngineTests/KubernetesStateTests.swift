import Model
import Processes
import Scripting
import Testing

@testable import Client
@testable import EndToEndTesting

extension EngineTests {
  /// States that a cluster reaches only in trouble: a real control plane with a node that plays its part, steered by
  /// annotations; see `Engines/fake-kubelet.py`.
  @Suite(.serialized) struct KubernetesStateTests {
    private static let engine = Engine(
      name: "kubernetes with a fake node", script: "kubernetes-fake", plugin: "kubernetes", skips: [])

    private static let isWanted = Engine.all.contains { $0.plugin == engine.plugin }

    /// A queue, and what its runs come to.
    private struct Case {
      var name: String
      /// Of the pods; `fake/` is left away.
      var annotations: [String: String] = [:]
      var spec: [String: Value] = [:]
      var limits: Value?
      var state: VisibleState
      var reason: Reason?
      var exitCode: Int?
      /// What people read of it.
      var says: String

      var queue: String {
        var spec = spec
        var container: Value = ["name": "main"]
        if let limits { container = ["name": "main", "resources": ["limits": limits]] }
        let notes = Dictionary(uniqueKeysWithValues: annotations.map { ("fake/\($0)", Value.string($1)) })
        spec["template"] = ["metadata": ["annotations": .object(notes)], "spec": ["containers": [container]]]
        return "queue \"\(name)\" { target = \"kubernetes\", resource = { spec = \(Far.lua(.object(spec))) } }\n"
      }
    }

    private static let cases = [
      Case(
        name: "no-room", limits: ["nvidia.com/gpu": 100], state: .pending, says: "Insufficient nvidia.com/gpu"),
      Case(
        name: "creating", annotations: ["waiting": "ContainerCreating"], state: .pending,
        says: "a node makes its containers ready"),
      Case(
        name: "no-image", annotations: ["waiting": "ImagePullBackOff", "message": "Back-off pulling image"],
        state: .failed, says: "cannot pull the image: Back-off pulling image"),
      Case(
        name: "evicted", annotations: ["evict": "Evicted"], state: .crashed, reason: .preempted,
        says: "The node was low on resource"),
      Case(
        name: "disrupted", annotations: ["disrupt": "PreemptionByScheduler", "message": "for a higher priority"],
        state: .crashed, reason: .preempted, says: "for a higher priority"),
      // What it took too much of was its own doing.
      Case(
        name: "greedy", annotations: ["evict": "Evicted", "message": "Pod ephemeral local storage usage exceeds 1Gi"],
        state: .crashed, reason: .signal, says: "exceeds 1Gi"),
      Case(
        name: "memory", annotations: ["exit-code": "137", "reason": "OOMKilled"], state: .crashed, reason: .outOfMemory,
        exitCode: 137, says: "memory limit"),
      Case(
        name: "deadline", annotations: ["seconds": "3600"], spec: ["activeDeadlineSeconds": 2], state: .failed,
        says: "activeDeadlineSeconds"),
      Case(
        name: "again", annotations: ["exit-code": "5"], spec: ["backoffLimit": 1], state: .failed, reason: .exit,
        exitCode: 5, says: ""),
      Case(
        name: "many", spec: ["parallelism": 3, "completions": 3], state: .finished, exitCode: 0, says: ""),
    ]

    @Test(.enabled(if: Self.isWanted, Engine.wish))
    func troubleIsToldInWords() async throws {
      try await Self.engine.running { place in
        try await scenario(300) { bench in
          for one in Self.cases { try bench.write("queues/\(one.name).lua", one.queue) }
          _ = try await bench.serve()
          let patient = try #require(place.settings["kubernetes"]?.with("patience", "3s"))
          let settings = place.settings.with("kubernetes", patient)
          let file = try bench.write("settings.json", settings.json())
          _ = try await bench.agent(
            "one", Self.cases.map(\.name), maxJobs: Self.cases.count, ["--settings", file], variables: place.variables)
          let source = Source(kind: .image, image: try ImageReference("localhost/local/busy:latest"), entryPoint: [])
          _ = try await bench.client.createJob(
            JobRequest(entity: nil, project: "p", name: "work", source: source, inputs: nil, aliases: nil))
          var runs: [String: String] = [:]
          for one in Self.cases { runs[one.name] = try await bench.launch("work", on: one.name).id }
          for one in Self.cases {
            let id = try #require(runs[one.name])
            if !one.state.isOver {
              try await bench.run(id, within: 90, "\(one.name) is told") {
                $0.state == one.state && ($0.message ?? "").contains(one.says)
              }
              continue
            }
            let seen = try await bench.end(of: id, within: 90)
            #expect(seen.state == one.state && (seen.message ?? "").contains(one.says), "\(one.name): \(seen)")
            #expect(one.reason == nil || seen.reason == one.reason, "\(one.name): \(seen)")
            #expect(one.exitCode == nil || seen.exitCode == one.exitCode, "\(one.name): \(seen)")
          }
          let waiting = try #require(runs["no-room"])
          let explained = try await bench.lunaport("explain", waiting)
          #expect(explained.output.contains("no node has room for it"), "\(explained.output)")

          // Whoever deletes a Job behind our back has not ended its run: contact is lost.
          let path = "/apis/batch/v1/namespaces/jobs/jobs/run-\(waiting)-1?propagationPolicy=Background"
          try await Self.admin(place, "DELETE", path, nil)
          let lost = try await bench.run(waiting, is: .crashed, within: 60)
          #expect(lost.message?.contains("somebody has deleted it") == true, "\(lost)")
        }
      }
    }

    /// A kind of the cluster that nobody but its own controller, here the test, knows.
    private static let definition: Value = [
      "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
      "metadata": ["name": "trainings.example.com"],
      "spec": [
        "group": "example.com", "scope": "Namespaced", "names": ["plural": "trainings", "kind": "Training"],
        "versions": [
          [
            "name": "v1", "served": true, "storage": true, "subresources": ["status": [:]],
            "schema": ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]],
          ]
        ],
      ],
    ]

    private static let trainings = """
      queue "trainings" {
        target = "kubernetes",
        resource = {
          apiVersion = "example.com/v1", kind = "Training",
          spec = { workers = { { template = { spec = { containers = { { name = "main" } } } } } } },
          status = {
            running = { path = "status.phase", equals = "Busy" },
            succeeded = { path = "status.conditions[type=Done].status" },
            failed = { path = "status.phase", equals = { "Broken", "Gone" } },
            message = "status.why",
            stop = { path = "spec.suspend", value = true },
          },
        },
      }
      """

    @Test(.enabled(if: Self.isWanted, Engine.wish))
    func aCustomResourceIsReadAndStoppedAsItsQueueSays() async throws {
      try await Self.engine.running { place in
        try await scenario(300) { bench in
          let rights = "/apis/rbac.authorization.k8s.io/v1/namespaces/jobs"
          let rule: Value = [
            "apiGroups": ["example.com"], "resources": ["trainings"],
            "verbs": ["create", "get", "list", "watch", "patch", "delete"],
          ]
          let made: [(String, Value)] = [
            ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Self.definition),
            ("\(rights)/roles", ["metadata": ["name": "trainings"], "rules": [rule]]),
            (
              "\(rights)/rolebindings",
              [
                "metadata": ["name": "trainings"],
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "trainings"],
                "subjects": [["kind": "User", "name": "launcher", "apiGroup": "rbac.authorization.k8s.io"]],
              ]
            ),
          ]
          // What an earlier try has made is there.
          for (path, body) in made { _ = try? await Self.admin(place, "POST", path, body) }
          try bench.write("queues/trainings.lua", Self.trainings)
          _ = try await bench.serve()
          let kinds: Value = [["apiVersion": "example.com/v1", "kind": "Training"]]
          let knowing = try #require(place.settings["kubernetes"]?.with("kinds", kinds))
          let file = try bench.write("settings.json", place.settings.with("kubernetes", knowing).json())
          _ = try await bench.agent("one", ["trainings"], ["--settings", file], variables: place.variables)
          let source = Source(kind: .image, image: try ImageReference("localhost/local/busy:latest"), entryPoint: [])
          _ = try await bench.client.createJob(
            JobRequest(entity: nil, project: "p", name: "work", source: source, inputs: nil, aliases: nil))

          let good = try await bench.launch("work", on: "trainings").id
          try await bench.run(good, within: 60, "waits") { $0.message == "waits for its pods" }
          try await Self.report(place, good, ["phase": "Busy"])
          try await bench.run(good, is: .running, within: 60)
          try await Self.report(place, good, ["conditions": [["type": "Done", "status": "True"]]])
          try await bench.run(good, is: .finished, within: 60)

          let bad = try await bench.launch("work", on: "trainings").id
          try await bench.run(bad, within: 60, "waits") { $0.message == "waits for its pods" }
          try await Self.report(place, bad, ["phase": "Broken", "why": "bad data"])
          let failed = try await bench.run(bad, is: .failed, within: 60)
          #expect(failed.message == "bad data")

          let stopped = try await bench.launch("work", on: "trainings").id
          try await bench.run(stopped, within: 60, "waits") { $0.message == "waits for its pods" }
          #expect(try await bench.lunaport("run", "stop", stopped).code == 0)
          try await bench.run(stopped, is: .killed, within: 60)
        }
      }
    }

    /// Says of a run's resource what its controller would.
    private static func report(_ place: Engine.Place, _ run: String, _ status: Value) async throws {
      let path = "/apis/example.com/v1/namespaces/jobs/trainings/run-\(run)-1/status"
      try await admin(place, "PATCH", path, ["status": status])
    }

    /// Asks the cluster for something as its administrator.
    private static func admin(_ place: Engine.Place, _ method: String, _ path: String, _ body: Value?) async throws {
      let state = try #require(place.variables["LUNAPORT_KUBE_STATE"])
      let server = try #require(place.variables["LUNAPORT_KUBE_SERVER"])
      let kind = method == "PATCH" ? "application/merge-patch+json" : "application/json"
      var words = [
        "curl", "-fsS", "--cacert", "\(state)/pki/ca.crt", "-H", "@\(state)/admin.header", "-H",
        "Content-Type: \(kind)", "-X", method, "\(server)\(path)",
      ]
      if let body { words += ["-d", body.json()] }
      let result = try await Command(words).run()
      guard result.succeeded else {
        throw Engine.Failure(text: "\(method) \(path): \(String(decoding: result.error, as: UTF8.self))")
      }
    }
  }
}

extension Value {
  fileprivate func with(_ key: String, _ value: Value) -> Value {
    var fields = objectValue ?? [:]
    fields[key] = value
    return .object(fields)
  }
}
