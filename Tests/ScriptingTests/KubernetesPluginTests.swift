import ClientTesting
import FoundationEssentials
import Lua
import Model
import Testing

@testable import Scripting

/// The parts of the plugins `kubernetes` and `kaniko` that need no cluster.
struct KubernetesPluginTests {
  /// A plugin's own files beside a function that calls them.
  private static func bed(
    of plugin: String = "kubernetes", needs: [String] = [], settings: Value = settings,
    environment: [String: String] = [:], _ act: String
  ) async throws -> PluginBed {
    let folder = GoldenTests.repository.appending(path: "plugins/\(plugin)")
    var files: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".lua") {
      files[name] = String(decoding: try Data(contentsOf: folder.appending(path: name)), as: UTF8.self)
    }
    return try await PluginBed(needs: needs, settings: settings, environment: environment, files: files, act)
  }

  private static let settings: Value = [
    "namespaces": ["ml"], "kinds": [["apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"]],
    "service_accounts": ["default"], "allow": .array([]), "patience": "10m", "keep": "7d",
  ]

  private static func run(_ resource: Value) -> Value {
    var fields = resource.objectValue ?? [:]
    fields["apiVersion"] = fields["apiVersion"] ?? "batch/v1"
    fields["kind"] = fields["kind"] ?? "Job"
    return [
      "run": "abcd1234", "name": "quiet-dawn-7", "attempt": 1, "entity": "team", "project": "p", "queue": "gpu",
      "author": "ada", "entry_point": ["python3", "train.py"], "args": ["--rate", "$(RATE)"],
      "command": ["python3", "train.py", "--rate", "$(RATE)"],
      "environment": ["LUNAPORT_RUN_ID": "abcd1234", "RATE": "5$$ and $HOME"], "image": "registry.example/train:1",
      "timeout": 3_600, "grace": 45, "resource": .object(fields),
    ]
  }

  private static func golden(_ name: String, _ value: Value) throws {
    let path = GoldenTests.folder.appending(path: name)
    let text = value.json(pretty: true) + "\n"
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try Data(text.utf8).write(to: path)
    } else {
      #expect(text == String(decoding: try Data(contentsOf: path), as: UTF8.self))
    }
  }

  private static let whole = """
    local document = require "document"
    local planned, err = document.plan(ctx.config, ...)
    if not planned then return nil, err end
    planned.document = document.finish(planned, "abcd1234-1", "owner001")
    return planned
    """

  @Test func aRunBecomesAJobWithSafeDefaults() async throws {
    let bed = try await Self.bed(Self.whole)
    let run = Self.run([
      "env": ["TOKEN": ["$secret": "token"], "MODE": "fast"],
      "metadata": ["labels": ["team": "vision"]],
      "spec": [
        "template": [
          "spec": [
            "initContainers": [["name": "fetch", "image": "fetch:1"]],
            "containers": [
              [
                "name": "main", "env": [["name": "RATE", "value": "7"]],
                "resources": ["limits": ["nvidia.com/gpu": 2]],
              ]
            ],
          ]
        ]
      ],
    ])
    try Self.golden("kubernetes-job.json", try await bed.act(.tree(LuaTree(run))).document().get())
  }

  @Test func everyPodOfACustomResourceGetsTheProgram() async throws {
    let bed = try await Self.bed(Self.whole)
    let pod: Value = [
      "replicas": 2,
      "template": ["spec": ["containers": [["name": "log"], ["name": "pytorch", "command": ["torchrun"]]]]],
    ]
    let run = Self.run([
      "apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "container": "pytorch",
      "spec": ["pytorchReplicaSpecs": ["Master": pod, "Worker": pod]],
    ])
    try Self.golden("kubernetes-pytorchjob.json", try await bed.act(.tree(LuaTree(run))).document().get())
  }

  /// What reaches beyond a pod, wherever it stands; and the setting that allows it.
  private static let reaching: [(String, Value, String)] = [
    ("spec.template.spec.hostNetwork", ["template": ["spec": ["hostNetwork": true]]], "host_network"),
    ("spec.template.spec.hostPID", ["template": ["spec": ["hostPID": true]]], "host_process"),
    (
      "spec.template.spec.volumes[1].hostPath",
      ["template": ["spec": ["volumes": [["name": "v", "hostPath": ["path": "/"]]]]]], "host_path"
    ),
    (
      "spec.template.spec.containers[1].securityContext.privileged",
      ["template": ["spec": ["containers": [["name": "m", "securityContext": ["privileged": true]]]]]], "privileged"
    ),
    (
      "spec.template.spec.containers[1].securityContext.capabilities.add",
      ["template": ["spec": ["containers": [["securityContext": ["capabilities": ["add": ["SYS_ADMIN"]]]]]]]],
      "capabilities"
    ),
    (
      "spec.template.spec.initContainers[1].ports[1].hostPort",
      ["template": ["spec": ["initContainers": [["ports": [["hostPort": 80]]]]]]], "host_network"
    ),
    (
      "spec.template.spec.automountServiceAccountToken", ["template": ["spec": ["automountServiceAccountToken": true]]],
      "service_account_token"
    ),
    (
      "spec.template.spec.serviceAccountName", ["template": ["spec": ["serviceAccountName": "admin"]]],
      "service_accounts"
    ),
    // Not where a pod's own is, but a custom resource may keep its pods anywhere.
    ("spec.anything[1].deep.hostIPC", ["anything": [["deep": ["hostIPC": true]]]], "host_process"),
  ]

  @Test func whatReachesBeyondAPodIsRefusedUnlessAllowed() async throws {
    let bed = try await Self.bed("return require('document').plan(ctx.config, ...)")
    for (path, spec, setting) in Self.reaching {
      let run = LuaValue.tree(LuaTree(Self.run(["spec": spec])))
      let failure = try #require(await bed.failure(run), "\(path) was taken")
      #expect(failure.code == .configInvalid && failure.retry == .never)
      #expect(failure.message.contains("`\(path)`"), "\(failure.message)")
      #expect("\(failure.message) \(failure.hint ?? "")".contains("`\(setting)`"), "\(failure.message)")
      var open = Self.settings.objectValue ?? [:]
      open["allow"] = [.string(setting)]
      open["service_accounts"] = ["default", "admin"]
      let allowing = try await Self.bed(settings: .object(open), "return require('document').plan(ctx.config, ...)")
      #expect(await allowing.failure(run) == nil, "\(path) is refused though it is allowed")
    }
  }

  @Test func aSecretMayStandOnlyInVariables() async throws {
    let bed = try await Self.bed("return require('document').plan(ctx.config, ...)")
    let secret: Value = ["$secret": "token"]
    let inside: Value = ["template": ["spec": ["containers": [["name": "m", "workingDir": secret]]]]]
    let failure = try #require(await bed.failure(.tree(LuaTree(Self.run(["spec": inside])))))
    #expect(failure.message.contains("`spec.template.spec.containers.1.workingDir`"), "\(failure.message)")
    let variable: Value = [
      "template": ["spec": ["containers": [["name": "m", "env": [["name": "T", "value": secret]]]]]]
    ]
    let planned = try await bed.act(.tree(LuaTree(Self.run(["spec": variable])))).document().get()
    #expect(planned["secrets"] == ["token": secret])
    #expect(planned["document"]?.json().contains("$secret") == false)
  }

  /// Logs as nodes give them, old and new, cut into pieces at random and read on from every place.
  @Test func aLogIsReadOnWhereItWasLeftOff() async throws {
    let bed = try await Self.bed(
      """
      local reader = require "reader"
      local seed = ...
      local function random(low, high)
        seed = (seed * 1103515245 + 12345) % 2147483648
        return low + seed // 65536 % (high - low + 1)
      end
      local function stamp(i) return string.format("2026-11-20T08:31:%02d.%09dZ ", i // 1000, i % 1000 * 1000000) end
      local cuts, raw, want, time = random(0, 1) == 0, {}, {}, 0
      for i = 1, 60 do
        time = time + random(0, 2)
        local line = string.rep(string.char(97 + i % 26), random(1, 15) == 1 and random(16380, 90000) or random(0, 50))
        want[#want + 1] = line .. "\\n"
        -- Kubernetes before 1.24 has a time before each part of a long line.
        while cuts and #line > 16384 do
          raw[#raw + 1] = stamp(time) .. string.sub(line, 1, 16384)
          line, time = string.sub(line, 16385), time + random(0, 1)
        end
        raw[#raw + 1] = stamp(time) .. line .. "\\n"
      end
      raw, want = table.concat(raw), table.concat(want)
      if random(0, 1) == 0 then raw = raw .. "rpc error: code = NotFound" end
      local got, position, is_all = {}, nil, false
      -- At first the log is shorter: it grows while it is read.
      local shown = #raw // random(1, 4)
      while shown > 0 and string.byte(raw, shown) ~= 10 do shown = shown - 1 end
      for _ = 1, 2000 do
        local bytes
        bytes, position, is_all = reader.take(function(take)
          local at = 1
          while at <= shown do
            local size = random(1, 20000)
            if take(string.sub(raw, at, math.min(shown, at + size - 1))) == false then break end
            at = at + size
          end
          return true
        end, position, random(1, 30000))
        got[#got + 1] = bytes
        if is_all and shown == #raw then break end
        if is_all then shown = #raw end
      end
      return is_all and table.concat(got) == want
      """)
    for seed in 1...60 { #expect(try await bed.act(.integer(Int64(seed))) == .boolean(true), "seed \(seed)") }
  }

  /// The agent looks for output while a stop still listens to it, and the node has no log any more.
  @Test(.timeLimit(.minutes(1))) func theLastWordsOfAStoppedRunAreNotTakenForRead() async throws {
    let bed = try await Self.bed(
      needs: ["files"],
      """
      local api, logs = require "api", require "logs"
      local handle = { api = "batch/v1", plural = "jobs", namespace = "ml", name = "run-t", token = "t" }
      local pod = {
        metadata = {
          name = "p", namespace = "ml", labels = { ["lunaport/token"] = "t" }, deletionTimestamp = "now",
        },
        spec = { containers = { { name = "main" } } },
        status = { containerStatuses = { { name = "main", restartCount = 0, state = { terminated = {} } } } },
      }
      local is_followed, is_read, chunk = false, false, nil
      api.list = function() return { pod } end
      api.stream = function(_, request, take)
        if not request.query.follow then return nil, fail { code = "not_found", message = "gone" }, 404 end
        is_followed = true
        while not is_read do host.sleep(0) end
        take("2026-11-20T08:31:01.100000000Z last words\\n")
        return { status = 200 }
      end
      host.together(
        function()
          local _ <close> = logs.hold(handle)
          logs.keep(ctx, handle, { pod }, 5)
        end,
        function()
          while not is_followed do host.sleep(0) end
          chunk = logs.read(ctx, handle, nil, 600)
          is_read = true
        end)
      local after = logs.read(ctx, handle, chunk.cursor, 600)
      return { chunk.bytes, after.bytes }
      """)
    #expect(try await bed.act().table?.items == ["", "last words\n"])
  }

  @Test func aLogThatWasRotatedGoesOnWithWhatIsLeft() async throws {
    let bed = try await Self.bed(
      """
      local reader = require "reader"
      local function of(text) return function(take) take(text) return true end end
      local _, position = reader.take(of("2026-11-20T08:31:01.1Z one\\n2026-11-20T08:31:02.1Z two\\n"), nil, 100)
      return (reader.take(of("2026-11-20T08:31:01.9Z old\\n2026-11-20T08:31:03.1Z three\\n"), position, 100))
      """)
    #expect(try await bed.act() == .string("three\n"))
  }

  @Test func aCustomResourceIsReadAsItsQueueSays() async throws {
    let bed = try await Self.bed(
      """
      local kinds = require "kinds"
      local object, path, equals = ...
      return { kinds.holds(object, { path = path, equals = equals }) }
      """)
    let object: Value = [
      "status": [
        "phase": "Running", "ready": true, "count": 3,
        "conditions": [["type": "Created", "status": "True"], ["type": "Failed", "status": "False"]],
      ]
    ]
    let cases: [(String, LuaValue, Bool)] = [
      ("status.phase", .string("Running"), true), ("status.phase", .list([.string("Done"), .string("Running")]), true),
      ("status.phase", .string("Run"), false), ("status.ready", .boolean(true), true),
      ("status.count", .integer(3), true), ("status.conditions[type=Created].status", .nothing, true),
      ("status.conditions[type=Failed].status", .nothing, false),
      ("status.conditions[0].type", .string("Created"), true),
      ("status.none.deeper", .string("x"), false), ("status.phase.deeper", .string("x"), false),
    ]
    for (path, equals, wanted) in cases {
      let holds = try await bed.act(.tree(LuaTree(object)), .string(path), equals)
      #expect(holds.table?.items == [.boolean(wanted)], "\(path)")
    }
  }

  @Test func aBuildBecomesAJobThatBringsItsSource() async throws {
    let config: Value = [
      "namespace": "builds", "repository": "registry.example:5000/team", "registry_secret": "push", "cache": true,
      "cache_repository": "", "insecure": false, "image": "kaniko:1", "unpack_image": "busybox:1",
      "args": ["--verbosity=warn"], "build_args": ["PIP_INDEX_URL": "https://pip.example"], "timeout": "1h",
      "resources": ["limits": ["memory": "4Gi"]],
    ]
    let bed = try await Self.bed(
      of: "kaniko", settings: config,
      """
      local manifest = require "manifest"
      local key = string.rep("0123456789abcdef", 4)
      local job = manifest.job(ctx.config, "registry.example:5000/team/my-job:0123456789abcdef0123", key, "Dockerfile", 2)
      local made = { metadata = { name = job.metadata.name, uid = "uid-1" } }
      return { job = job, part = manifest.part(ctx.config, key, 2, "AAAA", made) }
      """)
    try Self.golden("kaniko-job.json", try await bed.act().document().get())
  }

  /// What a kubeconfig comes to; `server`, `bearer` and the rest of a connection, or a part of the failure's message.
  private static let kubeconfigs: [(cluster: String, user: String, wanted: Value, refusal: String)] = [
    ("{server: 'https://a:1/', certificate-authority-data: UEVN}", "{token: t}", ["bearer": "t", "ca": "PEM"], ""),
    ("{server: 'https://a:1', certificate-authority: ca.pem}", "{tokenFile: token}", ["bearer": "tt", "ca": "CA"], ""),
    (
      "{server: 'https://a:1', insecure-skip-tls-verify: true}", "{username: u, password: p}",
      ["user": "u", "insecure": true], ""
    ),
    (
      "{server: 'https://a:1'}", "{client-certificate-data: UEVN, client-key: key}", ["cert": "PEM", "key": "KEY"], ""
    ),
    ("{server: 'https://a:1'}", "{exec: {command: /opt/get-token, args: [x]}}", ["bearer": "told x"], ""),
    ("{server: 'https://a:1'}", "{exec: {command: rm}}", [:], "`rm`, which the plugin may not run"),
    ("{server: 'https://a:1'}", "{tokenFile: /etc/hostname}", [:], "`/etc/hostname`, which the kubeconfig names"),
    ("{server: 'https://a:1'}", "{auth-provider: {name: gcp}}", [:], "`auth-provider`"),
    ("{server: 'https://a:1', proxy-url: 'http://p'}", "{token: t}", [:], "`proxy-url`"),
  ]

  @Test func aKubeconfigSaysWhereTheServerIsAndWhoAsks() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "kube-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let told = #"{"status":{"token":"told '$1'"}}"#
    let files = ["ca.pem": "CA", "token": "tt\n", "key": "KEY", "get-token": "#!/bin/sh\necho '\(told)'\n"]
    for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: folder.appending(path: "get-token").path)
    let config = folder.appending(path: "config").path
    for (cluster, user, wanted, refusal) in Self.kubeconfigs {
      let text = """
        current-context: c
        contexts: [{name: c, context: {cluster: k, user: u}}]
        clusters: [{name: k, cluster: \(cluster)}]
        users: [{name: u, user: \(user)}]
        """
      try Data(text.utf8).write(to: URL(filePath: config))
      let bed = try await Self.bed(
        needs: ["read:\(folder.path)/*", "exec:get-token", "env:PATH", "env:KUBE*"],
        settings: ["kubeconfig": .string(config)],
        environment: ["PATH": "\(folder.path):/usr/bin:/bin"],
        """
        local connection, err = require("access").connection(ctx)
        if not connection then return nil, err end
        local tls = connection.tls
        return {
          server = connection.server, bearer = connection.bearer, user = connection.user, ca = tls.ca, cert = tls.cert,
          key = tls.key, insecure = tls.insecure or nil,
        }
        """)
      if refusal.isEmpty {
        let connection = try await bed.act().document().get()
        #expect(connection["server"] == "https://a:1")
        for (key, value) in wanted.objectValue ?? [:] { #expect(connection[key] == value, "\(user)") }
      } else {
        let failure = try #require(await bed.failure(), "\(user) was taken")
        #expect(failure.code == .configInvalid && failure.message.contains(refusal), "\(failure.message)")
      }
    }
  }

  /// The agent may not watch the whole cluster: each of its namespaces is watched by itself, all at once.
  @Test(.timeLimit(.minutes(1))) func eachNamespaceIsWatchedWhereTheWholeClusterMayNotBe() async throws {
    func answer(_ status: String, _ body: String) -> [ScriptedServer.Step] {
      let head = "HTTP/1.1 \(status)\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
      return [.read(), .send(head + body)]
    }
    // A list, and an event of a watch that then ends: which is asked for first is not known.
    let both = #"""
      {"items":[],"metadata":{"resourceVersion":"5"},"type":"ADDED","object":{"metadata":{"name":"p","namespace":"a"}}}
      """#
    let server = ScriptedServer(
      all: [answer("403 Forbidden", #"{"message":"no"}"#)] + Array(repeating: answer("200 OK", both + "\n"), count: 50))
    defer { server.stop() }
    let config = FileManager.default.temporaryDirectory.appending(path: "kube-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: config) }
    let text = """
      current-context: c
      contexts: [{name: c, context: {cluster: k, user: u}}]
      clusters: [{name: k, cluster: {server: "\(server.url)"}}]
      users: [{name: u, user: {token: t}}]
      """
    try Data(text.utf8).write(to: config)
    let settings: Value = ["kubeconfig": .string(config.path), "namespaces": ["a", "b"]]
    let driver = try await PluginHostTests.Bench(settings: ["kubernetes": settings]).driver("kubernetes")
    let (wakes, wake) = AsyncStream<Void>.makeStream()
    let watch = Task { try await driver.watch { wake.yield() } }
    var news = wakes.makeAsyncIterator()
    func isWatched(_ namespace: String) -> Bool {
      server.received.contains {
        $0.hasPrefix("GET /api/v1/namespaces/\(namespace)/pods?") && $0.contains("watch=true")
      }
    }
    while !isWatched("a") || !isWatched("b") { await news.next() }
    watch.cancel()
    _ = await watch.result
    #expect(server.received.first?.hasPrefix("GET /api/v1/pods?") == true)
  }

  @Test func quantitiesOfTheMetricsServerAreNumbers() async throws {
    let bed = try await Self.bed("return { require('usage').quantity(...) }")
    let cases: [(String, Double?)] = [
      ("250m", 0.25), ("1", 1), ("123456789n", 0.123456789), ("128Mi", 134_217_728), ("2k", 2_000), ("1x", nil),
      ("", nil),
    ]
    for (text, wanted) in cases {
      let number = try await bed.act(.string(text)).table?.items.first?.real
      #expect(number.map { ($0 * 1e9).rounded() } == wanted.map { ($0 * 1e9).rounded() }, "\(text)")
    }
  }

  /// A Job's conditions, its pod's status, and the state that they come to.
  private static let stands: [(String, Value, Value?, String)] = [
    ("complete", [["type": "Complete", "status": "True"]], nil, "succeeded"),
    // What 1.31 and later say first, before all pods have ended.
    ("nearly", [["type": "SuccessCriteriaMet", "status": "True"]], ["phase": "Running"], "running"),
    ("failing", [["type": "FailureTarget", "status": "True"]], ["phase": "Running"], "running"),
    ("not failed", [["type": "Failed", "status": "False"]], ["phase": "Running"], "running"),
    ("failed", [["type": "Failed", "status": "True"]], nil, "failed"),
    ("node gone", .array([]), ["phase": "Failed", "reason": "NodeLost", "message": "unresponsive"], "lost"),
    ("drained", .array([]), ["phase": "Failed", "reason": "Evicted", "message": "low on memory"], "preempted"),
    ("greedy", .array([]), ["phase": "Failed", "reason": "Evicted", "message": "usage exceeds the limit"], "failed"),
    ("silent", .array([]), ["phase": "Running", "reason": "NodeLost"], "running"),
    ("no pod", .array([]), nil, "pending"),
  ]

  @Test func aJobStandsWhereItsConditionsAndPodsSay() async throws {
    let bed = try await Self.bed(
      """
      local object, pods = ...
      return { (require("status").row(object, pods, host.now(), 600)) }
      """)
    for (name, conditions, pod, wanted) in Self.stands {
      let job: Value = [
        "apiVersion": "batch/v1", "kind": "Job", "metadata": ["name": "run-1"], "spec": ["backoffLimit": 0],
        "status": ["conditions": conditions],
      ]
      var pods: [Value] = []
      if let pod {
        pods = [["metadata": ["name": "run-1-a"], "spec": ["containers": [["name": "main"]]], "status": pod]]
      }
      let rows = try await bed.act(.tree(LuaTree(job)), .tree(LuaTree(.array(pods)))).table?.items
      #expect(rows?.first?["state"].string == wanted, "\(name): \(String(describing: rows))")
    }
  }
}
