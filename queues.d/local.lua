-- Runs on the machine of the agent, as ordinary processes.
queue "local" {
  target = "process",
  priorities = true,
  resource = {
    memory = var("memory", size { min = "16Mi" }),
    cpu = var("cpu", number { min = 0.1, max = 64 }),
  },
}
