import Arguments
import Model
import Scripting

/// Where a command finds queue files and plugins.
struct ConfigurationOptions: Sendable {
  static let queuesFolder = "queues.d"
  static let pluginsFolder = "plugins"

  let queues: Key<String>
  let plugins: Key<String>

  init(_ declare: inout Declaration) {
    queues = declare.option("queues", .directory, default: Self.queuesFolder, help: "Folder of queue files.")
    plugins = Self.plugins(&declare)
  }

  static func plugins(_ declare: inout Declaration) -> Key<String> {
    declare.option("plugins", .directory, default: pluginsFolder, help: "Folder of plugins.")
  }

  /// The configuration, where it has no errors.
  func load(_ values: Values) throws -> Configuration {
    try Self.load(queues: values[queues], plugins: values[plugins])
  }

  static func load(queues: String?, plugins: String) throws -> Configuration {
    let configuration = ConfigurationLoader(queues: queues, plugins: plugins).load()
    if configuration.hasErrors { throw BadConfiguration(configuration: configuration) }
    return configuration
  }
}

/// A configuration with errors, told as `check` tells it.
struct BadConfiguration: CommandFailure {
  let configuration: Configuration
  let exitCode = ExitCode.configuration

  func report(on terminal: Terminal) -> String {
    withoutLastNewline(CheckReport(configuration).render(.human, isColoured: terminal.colour))
  }
}

/// What reports end with, `Console.print` adds itself.
func withoutLastNewline(_ text: String) -> String { text.hasSuffix("\n") ? String(text.dropLast()) : text }
