import Model
import Scripting

extension Attempt {
  /// Leaves a run alone that this agent cannot ask for: the plugin of its target is gone, or does not read its handle.
  /// Taken for lost it might be started beside itself, and stopped it might be another's. Its lease is kept until a life
  /// of the agent that has the plugin, or until nobody wants to hear of the run any more.
  ///
  /// - Parameter name: of the event that the log gets.
  func leaveAlone(_ problem: String, hint: String?, as name: String) async {
    let progress = shop.journal[token]?.progress
    let state: RunState = progress?.wasRunning == true ? .running : .starting
    shop.log(event(.error, name, "run \(lease.name): \(problem)", ["hint": hint ?? ""]))
    shop.reporter.send(update(state, problem, at: progress?.startedAt))
    for await news in charge.news {
      guard case .stop(let cause) = news else { continue }
      keep { $0.stop = cause }
      if cause == .gone {
        // What is left on the target the sweeper finds by its label, where the target can list.
        shop.roster.finish(charge)
        return await clear(nil)
      }
      shop.log(event(.warning, "stop_refused", "run \(lease.name) cannot be stopped: \(problem)"))
      shop.reporter.send(update(state, "it cannot be stopped: \(problem)"))
    }
  }
}
