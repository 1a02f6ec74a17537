// swift-tools-version: 6.1
import PackageDescription

// One seam per C library; each is found through pkg-config and comes from Debian.
let package = Package(
  name: "lunaport",
  products: [
    .executable(name: "lunaport", targets: ["lunaport"]),
    .executable(name: "lunaport-shim", targets: ["shim"]),
    .library(name: "Lua", targets: ["Lua"]),
  ],
  targets: [
    .systemLibrary(name: "CLuaSystem", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
      name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CLinux"),
    .target(name: "CLua", dependencies: ["CLuaSystem"]),

    .target(name: "Lua", dependencies: ["CLua"]),
    .target(name: "Model"),
    .target(name: "HTTP"),
    .target(name: "Arguments", dependencies: ["Model"]),
    .target(name: "Scripting", dependencies: ["Client", "HTTP", "Hashing", "Lua", "Model", "Processes", "YAML"]),
    .target(name: "Hashing", dependencies: ["CCrypto"]),
    .target(name: "YAML", dependencies: ["CYAML", "Model"]),
    .target(name: "Storage", dependencies: ["CSQLite", "Hashing", "Model"]),
    .target(name: "Client", dependencies: ["CCurl", "HTTP", "Model"]),
    .target(name: "Git", dependencies: ["Model", "Processes"]),
    .target(name: "Snapshot", dependencies: ["Hashing", "Model"]),
    .target(
      name: "Server", dependencies: ["CLinux", "CMicroHTTPD", "HTTP", "Hashing", "Model", "Scripting", "Storage"]),
    .target(name: "Processes", dependencies: ["CLinux"]),
    .target(
      name: "Agent", dependencies: ["CLinux", "Client", "Git", "HTTP", "Hashing", "Model", "Processes", "Scripting"]),
    .executableTarget(
      name: "benchmark-store", dependencies: ["Model", "Storage"], path: "Sources/Benchmarks/Store"),
    .executableTarget(
      name: "lunaport",
      dependencies: [
        "Agent", "Arguments", "Client", "Git", "Hashing", "Model", "Processes", "Scripting", "Server", "Snapshot",
        "Storage",
      ]),
    // Without a C library and static, so that it starts in a quarter of the time: see Sources/shim/system.h.
    .executableTarget(
      name: "shim",
      cSettings: [.unsafeFlags(["-ffreestanding", "-fno-stack-protector", "-fno-sanitize=all"])],
      linkerSettings: [
        .unsafeFlags([
          "-static-stdlib", "-nostartfiles", "-Xclang-linker", "-nostdlib", "-Xclang-linker", "-static",
          "-Xclang-linker", "-Wno-unused-command-line-argument",
        ])
      ]),

    // Writes until it is killed: for the tests of Storage.
    .executableTarget(name: "store-writer", dependencies: ["Model", "Storage"], path: "Tests/StoreWriter"),
    .executableTarget(
      name: "benchmark-http", dependencies: ["CLinux", "HTTP", "Server"], path: "Sources/Benchmarks/HTTP"),
    .executableTarget(
      name: "benchmark-launch", dependencies: ["Client", "HTTP", "Model"], path: "Sources/Benchmarks/Launch"),
    .target(name: "CLuaLoops", dependencies: ["CLuaSystem"], path: "Sources/Benchmarks/LuaLoops"),
    .executableTarget(name: "benchmark-lua", dependencies: ["Lua", "CLuaLoops"], path: "Sources/Benchmarks/Lua"),
    .executableTarget(name: "benchmark-check", dependencies: ["Scripting"], path: "Sources/Benchmarks/Check"),

    .testTarget(name: "LuaTests", dependencies: ["Lua"], exclude: ["Hostile"]),
    .testTarget(name: "ModelTests", dependencies: ["Model"]),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP"]),
    .testTarget(name: "ArgumentsTests", dependencies: ["Arguments"]),
    .testTarget(
      name: "ScriptingTests", dependencies: ["ClientTesting", "Lua", "Processes", "Scripting"], exclude: ["Golden"]),
    .testTarget(name: "HashingTests", dependencies: ["Hashing"]),
    .testTarget(name: "YAMLTests", dependencies: ["Model", "YAML"]),
    .testTarget(
      name: "StorageTests", dependencies: ["CSQLite", "Hashing", "Model", "Storage", "store-writer"],
      exclude: ["Schemas"]),
    .target(name: "ClientTesting", path: "Tests/ClientTesting"),
    .testTarget(name: "ClientTests", dependencies: ["Client", "ClientTesting", "HTTP", "Hashing"]),
    .target(
      name: "GitTesting", dependencies: ["Processes"], path: "Tests/GitTesting", exclude: ["server.py"]),
    .testTarget(name: "GitTests", dependencies: ["Git", "GitTesting", "Model", "Processes"]),
    .testTarget(name: "SnapshotTests", dependencies: ["Snapshot"]),
    .testTarget(
      name: "ServerTests", dependencies: ["Server", "Client", "HTTP", "Hashing", "Model", "Scripting", "Storage"],
      exclude: ["schemathesis.sh"]),
    .testTarget(name: "ProcessesTests", dependencies: ["Processes"]),
    .target(
      name: "AgentTesting", dependencies: ["Agent", "Model", "Processes", "Scripting"], path: "Tests/AgentTesting"),
    .executableTarget(
      name: "agent-fixture", dependencies: ["Agent", "AgentTesting", "Processes"], path: "Tests/AgentFixture"),
    .testTarget(
      name: "AgentTests",
      dependencies: ["Agent", "AgentTesting", "GitTesting", "Hashing", "Model", "Processes", "Scripting"]),
    .testTarget(name: "CommandTests", dependencies: ["GitTesting", "lunaport"], exclude: ["Golden"]),
    // A server, agents and the command line as programs of their own, for tests that look at all of it.
    .target(
      name: "EndToEndTesting", dependencies: ["CLinux", "Client", "HTTP", "Model", "Processes"],
      path: "Tests/EndToEndTesting"),
    .testTarget(
      name: "EndToEndTests", dependencies: ["CLinux", "Client", "EndToEndTesting", "HTTP", "Model", "Processes"]),
    .testTarget(
      name: "EngineTests", dependencies: ["Client", "EndToEndTesting", "HTTP", "Model", "Processes", "Scripting"],
      exclude: ["Engines"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
