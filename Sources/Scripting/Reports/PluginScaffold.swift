import Model

/// The files of a new plugin. They pass `check` and the conformance suite as they are, so that a writer changes
/// something that works.
public enum PluginScaffold {
  public enum Kind: String, Sendable, CaseIterable {
    case driver, builder, hook
  }

  /// Files by their path inside the plugin's folder.
  public static func files(_ kind: Kind, name: String) -> [(path: String, text: String)] {
    switch kind {
    case .driver: [("plugin.lua", driverDeclaration(name)), ("driver.lua", driverFunctions)]
    case .builder: [("plugin.lua", builderDeclaration(name)), ("builder.lua", builderFunctions)]
    case .hook: [("plugin.lua", hookDeclaration(name)), ("hook.lua", hookFunctions)]
    }
  }

  private static func driverDeclaration(_ name: String) -> String {
    """
    -- What this driver is. Only data: nothing here may do I/O.
    return driver {
      name = "\(name)",
      version = "0.1.0",
      api = { 1 },
      doc = "runs jobs as local processes; change it into your own target",
      -- What it can do. Absence means no, and each capability has functions in driver.lua.
      provides = { "source.code", "stop", "logs.tail", "stats" },
      -- What it is allowed to do. Without this it can only compute.
      needs = { "process" },
      -- What a queue may say in `resource`.
      resource = table {
        env = map(string()):doc("environment of the program, over the run's own"),
      },
      -- What `start` returns and the host keeps.
      handle = { version = 1, shape = table { token = string():required() } },
    }

    """
  }

  private static let driverFunctions = """
    -- Each function works from its arguments alone: after a restart of the agent `poll` is called with the handle that
    -- `start` returned before it, and must give the right answer.

    local driver = {}

    -- Is this target usable from here, now?
    function driver.probe()
      return host.process.probe()
    end

    -- The target's own document for a run. Pure.
    function driver.plan(_, run)
      local env = {}
      for name, value in pairs(run.environment) do env[name] = value end
      for name, value in pairs(run.resource.env or {}) do env[name] = value end
      return { argv = run.command, env = env, folder = run.folder, prefix = run.prefix, fenced = run.fenced }
    end

    -- Starts what `plan` made. Called again with the same token it must give the same handle and start nothing.
    -- Expected failures: return nil, fail { code = "unavailable", message = "...", retry = "safe" }
    function driver.start(_, spec, token)
      return host.process.start(spec, token)
    end

    -- Did a start with this token take effect? Its handle, or nil.
    function driver.find(_, token)
      return host.process.find(token)
    end

    -- One row a handle: { state = "pending" | "running" | "succeeded" | "failed" | "preempted" | "lost" | "unknown",
    -- exit_code =, signal =, message = }
    function driver.poll(_, handles)
      return host.process.status(handles)
    end

    -- Stopping what has ended is success.
    function driver.stop(_, handle, how)
      return host.process.stop(handle, how.grace)
    end

    -- Removes what an ended run left behind.
    function driver.forget(_, handle)
      return host.process.forget(handle)
    end

    -- { bytes =, cursor =, done = }, or { file =, done = } for a file that the host reads by itself.
    function driver.logs(_, handle)
      return host.process.output(handle)
    end

    -- One row a handle: { cpu = cores, memory = bytes, gpu = 0 to 1, gpu_memory = bytes }, or false.
    function driver.stats(_, handles)
      return host.process.usage(handles)
    end

    return driver

    """

  private static func builderDeclaration(_ name: String) -> String {
    """
    -- What this builder is. Only data: nothing here may do I/O.
    return builder {
      name = "\(name)",
      version = "0.1.0",
      api = { 1 },
      doc = "makes nothing yet",
      builds = { "code" },
      targets = { "process" },
      needs = { "files" },
    }

    """
  }

  private static let builderFunctions = """
    local builder = {}

    -- Can it build here, now?
    function builder.probe()
      return { health = "healthy" }
    end

    -- Runs with the same key share one build. Pure.
    function builder.key(_, build)
      return host.sha256(build.requirements or "")
    end

    -- { prefix = folder whose bin goes first in PATH } or { image = uri }. May be called again after a crash.
    function builder.build(ctx, _, key)
      host.files.write(key .. "/bin/README", "programs here come first in PATH\\n")
      return { prefix = ctx.data .. "/" .. key }
    end

    return builder

    """

  private static func hookDeclaration(_ name: String) -> String {
    """
    -- What this hook is. Only data: nothing here may do I/O.
    return hook {
      name = "\(name)",
      version = "0.1.0",
      api = { 1 },
      doc = "says what happened",
      on = { "finished", "failed", "crashed" },
    }

    """
  }

  private static let hookFunctions = """
    local hook = {}

    -- Called after the event is stored; what it returns does not matter, what it raises is logged.
    function hook.run(_, event, run)
      host.log("run " .. run.name .. " of queue " .. run.queue .. ": " .. event .. "\\n")
    end

    return hook

    """
}
