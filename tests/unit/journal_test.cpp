// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run that is cut off is continued: what its journal holds is not measured again, and nothing else is
// taken for it.
#include "measure/journal.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "measure/schedule.h"
#include "measure/visit.h"
#include "svcbench/wire_abi.h"

namespace svcbench::test {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "svcb-journal-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string run() const { return (path_ / "run.json").string(); }
  [[nodiscard]] std::string part() const { return Journal::path_of(run()); }

 private:
  std::filesystem::path path_;
};

struct StillClock final : Clock {
  [[nodiscard]] std::int64_t now_ns() override { return 0; }
};

struct NoProgress final : Progress {
  void phase(const std::string&) override {}
  void step(const std::string&, std::size_t, std::size_t, double) override {}
  void finished() override {}
};

// Two steps, each of which measures its number of visits so far; the second one cannot be restored.
struct Work {
  std::vector<double> kept{};
  std::size_t runs = 0;
  std::size_t unkept = 0;
  std::size_t fail_at = 1000;
  std::vector<Step> steps{};

  explicit Work(std::size_t repeats) {
    Step kept_step;
    kept_step.label = "kept";
    kept_step.repeats = repeats;
    kept_step.run = [this](std::size_t repeat) -> Status {
      if (runs == fail_at) {
        return failure("cut off");
      }
      ++runs;
      kept.push_back(static_cast<double>(repeat));
      return {};
    };
    kept_step.samples = [this] { return nlohmann::json(kept.back()); };
    kept_step.restore = [this](const nlohmann::json& samples) -> Status {
      if (!samples.is_number()) {
        return failure("no number");
      }
      kept.push_back(samples.get<double>());
      return {};
    };
    Step other;
    other.label = "unkept";
    other.repeats = repeats;
    other.run = [this](std::size_t) -> Status {
      ++unkept;
      return {};
    };
    steps = {kept_step, other};
  }

  Status go(Journal& journal) {
    if (const Status planned = journal.plan(steps); !planned) {
      return planned;
    }
    StillClock clock;
    NoProgress progress;
    return run_rounds(steps, 10, 1, clock, progress, &journal);
  }
};

const nlohmann::json identity{{"seed", 1}, {"kernel", "6.18"}};

// A run of ten visits that ended in its fifth.
void cut_off(const Folder& folder) {
  auto journal = Journal::begin(folder.run(), identity);
  REQUIRE(journal);
  Work work(10);
  work.fail_at = 4;
  REQUIRE_FALSE(work.go(*journal));
  REQUIRE(work.kept.size() == 4);
}

}  // namespace

TEST_CASE("journal: what was measured is not measured again, and comes first") {
  const Folder folder;
  cut_off(folder);
  auto journal = Journal::resume(folder.run(), identity);
  REQUIRE_MESSAGE(journal, journal.error().message);
  Work work(7);  // a busier machine would plan less: the first part's plan holds
  REQUIRE(work.go(*journal));
  CHECK(journal->restored() == 4);
  CHECK(work.runs == 6);
  CHECK(work.unkept == 10);
  CHECK(work.kept == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  journal->discard();
  CHECK_FALSE(std::filesystem::exists(folder.part()));
}

TEST_CASE("journal: cut off again and again, in the middle of a line too") {
  const Folder folder;
  cut_off(folder);
  std::filesystem::resize_file(folder.part(), std::filesystem::file_size(folder.part()) - 3);
  // The fourth visit is lost.
  {
    auto journal = Journal::resume(folder.run(), identity);
    REQUIRE(journal);
    Work work(10);
    work.fail_at = 2;
    REQUIRE_FALSE(work.go(*journal));
    CHECK(work.kept == std::vector<double>{0, 1, 2, 3, 4});
  }
  auto journal = Journal::resume(folder.run(), identity);
  REQUIRE(journal);
  Work work(10);
  REQUIRE(work.go(*journal));
  CHECK(journal->restored() == 5);
  CHECK(work.kept.size() == 10);
}

TEST_CASE("journal: another run's, none, and damaged ones are refused by name") {
  const Folder folder;
  const auto refused = [&](const nlohmann::json& as, const std::string& word) {
    const auto journal = Journal::resume(folder.run(), as);
    REQUIRE_FALSE(journal);
    CHECK_MESSAGE(journal.error().message.find(word) != std::string::npos, journal.error().message);
  };
  refused(identity, "was cut off");
  cut_off(folder);
  refused({{"seed", 2}, {"kernel", "6.18"}}, "another seed (1, not 2)");
  refused({{"seed", 1}, {"kernel", "6.19"}}, "another kernel");
  {
    auto journal = Journal::resume(folder.run(), identity);
    REQUIRE(journal);
    Work work(10);
    work.steps[0].label = "new";
    const Status gone = work.go(*journal);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message.find("knows nothing of \"new\"") != std::string::npos);
  }
  std::ofstream(folder.part(), std::ios::app) << R"({"step":"kept","samples":"x"})"
                                              << "\n";
  {
    auto journal = Journal::resume(folder.run(), identity);
    REQUIRE(journal);
    Work work(10);
    const Status gone = work.go(*journal);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message.find("start the run anew") != std::string::npos);
  }
  std::ofstream(folder.part()) << "not a journal\n";
  refused(identity, "no journal of this version");
}

TEST_CASE("journal: a run of two parts, cut off in the second") {
  const Folder folder;
  {
    auto journal = Journal::begin(folder.run(), identity);
    REQUIRE(journal);
    CHECK(journal->decided("table", true).value());
    Work first(3);
    REQUIRE(first.go(*journal));
  }
  for (const std::size_t before : {0U, 4U}) {  // at its start, and in its fifth visit
    auto journal = Journal::resume(folder.run(), identity);
    REQUIRE(journal);
    CHECK(journal->kept() == 3 + before);
    CHECK(journal->decided("table", false).value());  // as the first part had it
    CHECK_FALSE(journal->decided("other", false).value());
    Work first(5);
    REQUIRE(first.go(*journal));
    CHECK(first.runs == 0);
    CHECK(first.kept == std::vector<double>{0, 1, 2});
    Work work(before == 0 ? 10 : 7);
    work.steps[0].label = "second";
    work.steps.pop_back();
    work.fail_at = before == 0 ? 4 : 1000;
    CHECK(work.go(*journal).has_value() == (before == 4));
    CHECK(work.runs == (before == 0 ? 4 : 6));
    CHECK(journal->restored() == 3 + before);
  }
}

TEST_CASE("journal: two steps of one name would be restored from each other") {
  const Folder folder;
  auto journal = Journal::begin(folder.run(), identity);
  REQUIRE(journal);
  Work work(2);
  work.steps[1].label = work.steps[0].label;
  const Status status = work.go(*journal);
  REQUIRE_FALSE(status);
  CHECK(status.error().message.find("two cells of this run are called \"kept\"") != std::string::npos);
}

TEST_CASE("visits go into a journal and come back as they were") {
  PathVisit visit{.sent = 3, .packets_per_second = 1.5e6};
  visit.latency.add_bucket(7, 2);
  visit.latency.add_bucket(900, 1);
  const auto back = PathVisit::of(nlohmann::json::parse(visit.json().dump()));
  REQUIRE(back);
  CHECK(back->sent == 3);
  CHECK(back->latency.buckets() == visit.latency.buckets());
  CHECK(back->packets_per_second == visit.packets_per_second);
  PathCell cell;
  back->add_to(cell);
  CHECK(cell.sent == 3);
  CHECK(cell.p50_ns.size() == 1);
  CHECK(cell.p99_ns.empty());  // three packets have none
  auto damaged = visit.json();
  damaged["buckets"][0][0] = SVCB_WIRE_BUCKETS;
  CHECK_FALSE(PathVisit::of(damaged));
  damaged = visit.json();
  damaged["sent"] = 4;  // not what the histogram holds
  CHECK_FALSE(PathVisit::of(damaged));

  const SyncCost cost{
      .generate_ns = 1, .commit_ns = 2, .user_us = 3, .system_us = 4, .tools = 5, .input_bytes = 6};
  const auto same = sync_cost_of(to_json(cost));
  REQUIRE(same);
  CHECK(to_json(*same) == to_json(cost));
  CHECK_FALSE(sync_cost_of({{"generate_ns", 1}}));

  UpdateCell update;
  update.commit_ns = {{1}, {2, 3}};
  update.stage_ns = {{4}, {5, 6}};
  UpdateCell other;
  REQUIRE(add_blocks({&other}, last_blocks({&update})));
  CHECK(other.commit_ns == Blocks{{2, 3}});
  CHECK(other.stage_ns == Blocks{{5, 6}});
  CHECK_FALSE(add_blocks({&other}, nlohmann::json::array()));

  ProgramCell program;
  program.packets_per_sample = 4096;
  program.ns_per_packet = {{9}, {0.1, 1.0 / 3}};
  program.kernel_ns = {9, 1};
  ProgramCell run;
  REQUIRE(add_run(run, nlohmann::json::parse(last_run(program).dump())));
  CHECK(run.ns_per_packet == Blocks{{0.1, 1.0 / 3}});
  CHECK(run.kernel_ns == std::vector<double>{1});
  CHECK(run.packets_per_sample == 4096);
  CHECK_FALSE(add_run(run, {{"ns_per_packet", {1}}}));

  AccountCheck check;
  double value = 0;
  for (const auto& [name, member] : AccountCheck::rounds) {
    (check.*member).push_back(++value);
  }
  AccountCheck round;
  REQUIRE(add_round(round, last_round(check)));
  for (const auto& [name, member] : AccountCheck::rounds) {
    CHECK_MESSAGE(round.*member == check.*member, name);
  }
  CHECK_FALSE(add_round(round, {{"own_empty_ns", 1}}));
  check.not_offered = "too coarse";
  REQUIRE(add_round(round, last_round(check)));
  CHECK(round.not_offered == "too coarse");

  const auto costs = sync_costs_of(to_json(std::vector{cost, cost}));
  REQUIRE(costs);
  CHECK(to_json(*costs) == to_json(std::vector{cost, cost}));
  CHECK_FALSE(sync_costs_of(nlohmann::json::array()));
}

}  // namespace svcbench::test
