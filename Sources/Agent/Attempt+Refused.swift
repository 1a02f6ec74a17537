import Model
import Scripting

extension Attempt {
  /// Leaves a run alone whose handle the driver does not read, until the agent has a plugin that does: it would take the
  /// run for lost, or stop what is another's. The lease is kept meanwhile, so that nobody starts the run beside it.
  func leaveAlone(_ refusal: DriverFailure) async {
    let state: RunState = shop.journal[token]?.progress.wasRunning == true ? .running : .starting
    shop.log(event(.error, "handle_refused", "run \(lease.name): \(refusal.message)", ["hint": refusal.hint ?? ""]))
    shop.reporter.send(update(state, refusal.message))
    for await news in charge.news {
      guard case .stop(let cause) = news else { continue }
      keep { $0.stop = cause }
      if cause == .gone {
        // What is left on the target the sweeper finds by its label, where the target can list.
        shop.roster.finish(charge)
        return await clear(nil)
      }
      shop.log(event(.warning, "stop_refused", "run \(lease.name) cannot be stopped: \(refusal.message)"))
      shop.reporter.send(update(state, "it cannot be stopped: \(refusal.message)"))
    }
  }
}
