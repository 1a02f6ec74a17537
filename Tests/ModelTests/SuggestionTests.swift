import Model
import Testing

@Suite struct SuggestionTests {
  @Test(arguments: [
    ("queu", "queue"), ("qeuue", "queue"), ("gpu", "gpus"), ("Queue", "queue"), ("maxJobs", "max_jobs"),
    ("max-jobs", "max_jobs"), ("concurency", "concurrency"), ("conc", "concurrency"), ("jbo", "job"),
  ])
  func aSlipIsRecognised(_ word: String, _ meant: String) {
    let known = ["queue", "gpus", "max_jobs", "concurrency", "job", "retry"]
    #expect(closest(to: word, among: known) == meant)
  }

  @Test(arguments: ["", "x", "zebra", "q", "-", String(repeating: "queue", count: 1_000)])
  func whatIsFarFromEverythingIsLeftAlone(_ word: String) {
    #expect(closest(to: word, among: ["queue", "gpus", "retry"]) == nil)
  }

  @Test func ofEquallyNearCandidatesTheFirstIsTaken() {
    #expect(closest(to: "cat", among: ["bat", "car"]) == "bat")
    #expect(closest(to: "cat", among: ["car", "bat"]) == "car")
  }

  @Test func aNearerCandidateWinsOverAnEarlierOne() {
    #expect(closest(to: "create", among: ["crates", "creates"]) == "creates")
  }

  @Test func theWordItselfIsNoSuggestion() {
    #expect(closest(to: "queue", among: ["queue"]) == nil)
  }
}
