-- The mock runs nothing: for each kind of program its resource says what to pretend.
return {
  programs = {
    finish = { output = "${text}", exit_code = "${code}" },
    stay = { ends = "never" },
    killed = { signal = "${signal}" },
    longline = { output = "${text}" },
  },
  pending = { pending_for = "1h" },
  broken = {
    { name = "a document that makes no sense", resource = { plan_fails = "config_invalid" }, code = "config_invalid" },
    { name = "a target without room", resource = { start_fails = "quota" }, code = "quota" },
  },
}
