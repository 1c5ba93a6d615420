// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/churn/churn_run.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <iterator>

#include "measure/churn/changer.h"
#include "measure/runner.h"
#include "measure/wire/wire.h"
#include "plane/in_namespace.h"
#include "service/text.h"
#include "stats/random.h"
#include "sys/conntrack.h"
#include "sys/interrupt.h"
#include "sys/pinned.h"

namespace svcbench {

namespace {

// The kernel takes 20 ms to begin and end a volley (seen of 6.18), in which no packet is on its way.
constexpr double volley_seconds = 0.2;
constexpr std::uint32_t most_packets = 32'768;  // of a volley
constexpr double longest_gap_ns = 1e6;          // that the generator waits itself; beyond, it sleeps
constexpr std::uint64_t short_gap_ns = 20'000;
// A packet that is missing was lost so soon after it was sent.
constexpr std::int64_t longest_way_ns = 10'000'000;
constexpr std::int64_t patience_ns = 20'000'000;
constexpr std::size_t most_examples = 5;
constexpr int most_tries = 5;
constexpr const char* ingress_drops = "vn rx_dropped";
// Of the connection tracker's table, by the flows of a run.
constexpr double conntrack_share = 0.5;

constexpr double trial_seconds = 3;
constexpr double first_trial = 0.95;  // of the rate without pauses
constexpr double next_trial = 0.9;    // of the trial before
constexpr int most_trials = 8;

double seconds_of(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

Endpoint endpoint_of(const svcb_wire_record& record, Family family) {
  Endpoint endpoint;
  endpoint.address.family = family;
  std::memcpy(endpoint.address.bytes.data(), record.address, sizeof record.address);
  endpoint.port = ntohs(record.port);
  return endpoint;
}

// Counts as the kernel's histogram has them, until they are made one.
struct Latencies {
  std::vector<std::uint64_t> buckets = std::vector<std::uint64_t>(SVCB_WIRE_BUCKETS);
};

bool has_endpoints(const Service& service) { return !service.endpoints.empty(); }

// One experiment, whose parts make no whole: a scenario of one cell that is visited once.
class ChurnRun final : public Scenario {
 public:
  ChurnRun(const Workload& workload, const ChurnOptions& options, Progress& progress)
      : workload_(workload), options_(options), progress_(progress) {}

  Status prepare(Setting& setting, std::vector<Step>& steps) override;
  Status check() override { return check_end(); }
  // Its results are no cells yet: the journal of its changes is among them.
  void tell(Findings& /*findings*/) override {}
  [[nodiscard]] ChurnResults take() { return std::move(results_); }

 private:
  Status visit();
  Status choose_services();
  Status set_up();
  Status open_flows();
  Status limit_packets();
  void focus_on_present();
  Status quiet(const std::string& name);
  Result<ChangeRun> changes(ChurnPhase& phase, Changer::Plan plan);
  Status search();
  Status traffic(ChurnPhase& phase, const std::function<bool()>& goes_on);
  Status volley(ChurnPhase& phase);
  void learn();
  // Packets of the volley that did not come out and should have.
  std::uint64_t judge_volley(ChurnPhase& phase);
  void note_bad(const PacketFacts& packet, PacketOutcome outcome);
  Status account_missing(ChurnPhase& phase, std::uint64_t missing);
  Result<NetCounters> counters() const;
  Status check_end();
  void note_effects();

  const Workload& workload_;
  const ChurnOptions& options_;
  Progress& progress_;
  ChurnResults results_{};
  std::vector<Service> targets_{};  // the steady ones, then those that change
  std::unique_ptr<Wire> wire_{};
  std::optional<Testbed> testbed_{};
  std::unique_ptr<InNamespace> plane_{};
  TargetRange range_{};
  std::optional<ChangeSequence> sequence_{};
  std::optional<ChurnJudge> judge_{};
  ChangeLog log_{};
  MonotonicClock clock_{};
  NetCounters counted_{};       // at the last look
  std::int64_t opened_ns_ = 0;  // established flows
  std::uint32_t first_open_ = 0;
  std::uint32_t next_flow_ = 0;
  std::int64_t example_issued_ns_ = 0;  // the change that the last example is of
  std::uint32_t packets_ = 1;           // a volley
  double gap_ns_ = 0;
  std::int64_t next_volley_ns_ = 0;
  std::array<Latencies, 4> latencies_{};  // of the phase: fresh or established, changing or steady
};

Status ChurnRun::choose_services() {
  SVCB_CHECK(require_churnable(workload_));
  std::vector<Service> able;
  std::ranges::copy_if(workload_.services(), std::back_inserter(able), has_endpoints);
  const std::size_t each = std::min(most_churned, able.size() / 2);
  Random random(options_.seed);
  shuffle(able, random);
  able.resize(2 * each);
  targets_ = std::move(able);
  results_.steady = each;
  results_.changing = each;
  return {};
}

Status ChurnRun::set_up() {
  WireCapacity capacity{
      .targets = static_cast<std::uint32_t>(targets_.size()), .backends = 0, .records = most_packets};
  std::vector<Target> targets;
  for (const Service& service : targets_) {
    capacity.backends += static_cast<std::uint32_t>(service.endpoints.size());
    targets.push_back({service.frontend, service.endpoints});
  }
  SVCB_TAKE(wire, Wire::create(capacity));
  wire_ = std::move(wire);
  SVCB_TAKE(range, wire_->add_targets(targets));
  range_ = range;
  SVCB_TAKE(testbed, Testbed::create(wire_->programs()));
  testbed_.emplace(std::move(testbed));

  progress_.phase(fmt::format("install {} services: {}", grouped(results_.services), options_.plane));
  SVCB_TAKE(place, testbed_->node().duplicate());
  PlaneConfiguration configuration = options_.configuration;
  configuration.ingress = testbed_->ingress();
  configuration.egress = testbed_->egress();
  {
    SVCB_TAKE(inside, place.enter());
    SVCB_TAKE(plane, options_.make(configuration));
    plane_ = std::make_unique<InNamespace>(std::move(place), std::move(plane));
  }
  if (plane_->delivery() == Delivery::direct) {
    return usage_error("{} has no services that could change: choose another plane", options_.plane);
  }
  if (plane_->delivery() == Delivery::wrapped) {
    return usage_error(
        "churn judges translated packets, and {} sends them on as they are: choose another plane",
        options_.plane);
  }
  SVCB_CHECK(plane_->install(workload_.services()));
  SVCB_CHECK(plane_->forget_flows());
  const std::span<const Service> all(targets_);
  sequence_.emplace(all.subspan(results_.steady), workload_, options_.seed);
  judge_.emplace(all, workload_.services());
  return {};
}

// One a target, answered by the backends.
Status ChurnRun::open_flows() {
  SVCB_TAKE(pinned, Pinned::to_last_cpu());
  results_.flows = targets_.size();
  const auto flows = static_cast<std::uint32_t>(targets_.size());
  for (int tries = 0; tries < most_tries; ++tries) {
    // A multiple of the targets, so that flow f goes to target f % targets.
    first_open_ = next_flow_;
    next_flow_ += flows;
    opened_ns_ = clock_.now_ns();
    SVCB_TAKE(opened, wire_->send(*testbed_, {.targets = range_,
                                              .first_flow = first_open_,
                                              .flows = flows,
                                              .packets = flows,
                                              .answered = true,
                                              .gap_ns = short_gap_ns}));
    if (opened.counts.right == flows && opened.counts.replies == flows) {
      return {};
    }
    if (const Status right = require_all_right(opened);
        tries + 1 == most_tries || opened.counts.wrong_backend != 0) {
      return right
                 ? failure("of {} flows that were opened {} got their answer", flows, opened.counts.replies)
                 : right;
    }
  }
  return {};
}

// A plane that has the connection tracker remember each flow must not be measured with its table full.
Status ChurnRun::limit_packets() {
  double rate = options_.packets_per_second;
  SVCB_TAKE(inside, testbed_->node().enter());
  SVCB_TAKE(tracked, conntrack_entries());
  SVCB_TAKE(limit, conntrack_limit());
  if (tracked >= results_.flows / 2 && limit != 0) {
    const double seconds = options_.seconds + 2 * options_.quiet_seconds;
    const double most = conntrack_share * static_cast<double>(limit) / seconds;
    if (most < rate) {
      rate = most;
      results_.packets_limited_by =
          fmt::format("the connection tracker's table holds {} flows", grouped(limit));
    }
  }
  results_.packets_per_second = rate;
  gap_ns_ = 1e9 / rate;
  packets_ = static_cast<std::uint32_t>(std::clamp(rate * volley_seconds, 4.0, double{most_packets}));
  return {};
}

Result<NetCounters> ChurnRun::counters() const {
  SVCB_TAKE(inside, testbed_->node().enter());
  return loss_counters();
}

void ChurnRun::learn() {
  for (ChangeEvent& event : log_.take()) {
    ServiceHistory& history = judge_->of(static_cast<std::uint32_t>(results_.steady + event.place));
    if (event.issued) {
      history.issue(std::move(event.version));
    } else {
      history.commit(event.at_ns);
    }
  }
}

std::uint64_t ChurnRun::judge_volley(ChurnPhase& phase) {
  learn();
  const std::int64_t now = clock_.now_ns();
  std::uint64_t lost = 0;
  for (const svcb_wire_record& record : wire_->records()) {
    const bool established = record.flow - first_open_ < results_.flows;
    ChurnSplit& split = established ? phase.established : phase.fresh;
    const std::uint32_t target = record.target - range_.first;
    const bool changes = target >= results_.steady;
    ChurnTally& tally = changes ? split.changing : split.steady;
    const PacketFacts packet{
        .target = target,
        .sent_ns = static_cast<std::int64_t>(record.sent_ns),
        .seen_ns = static_cast<std::int64_t>(record.seen_ns),
        .refused_ns = static_cast<std::int64_t>(record.refused_ns),
        .looked_ns = std::min(now, static_cast<std::int64_t>(record.sent_ns) + longest_way_ns),
        .opened_ns = established ? opened_ns_ : 0,
        .at = endpoint_of(record, targets_[target].frontend.address.family),
        .damaged = record.harm != 0 || record.copies > 1,
    };
    const PacketOutcome outcome = judge_->judge(packet);
    ++tally.sent;
    ++tally.by_outcome[static_cast<std::size_t>(outcome)];
    if (outcome == PacketOutcome::right || outcome == PacketOutcome::kept) {
      const std::size_t which = (established ? 2U : 0U) + (changes ? 0U : 1U);
      ++latencies_[which].buckets[svcb_wire_bucket(record.seen_ns - record.sent_ns)];
    } else if (outcome == PacketOutcome::wrong || outcome == PacketOutcome::half_changed ||
               outcome == PacketOutcome::damaged) {
      note_bad(packet, outcome);
    }
    lost += outcome == PacketOutcome::lost ? 1 : 0;
  }
  return lost;
}

void ChurnRun::note_bad(const PacketFacts& packet, PacketOutcome outcome) {
  const ServiceVersion* change = judge_->last_change(packet);
  ++results_.bad_after[change == nullptr ? "no change" : std::string(change->made_by)];
  const std::int64_t issued_ns = change == nullptr ? 0 : change->issued_ns;
  if (results_.examples.size() < most_examples &&
      (results_.examples.empty() || issued_ns != example_issued_ns_)) {
    results_.examples.push_back(judge_->describe(packet, outcome));
    example_issued_ns_ = issued_ns;
  }
}

// The node's counters are read only where something is missing: they move at no other time.
Status ChurnRun::account_missing(ChurnPhase& phase, std::uint64_t missing) {
  SVCB_TAKE(now, counters());
  const NetCounters dropped = moved(counted_, now);
  counted_ = now;
  for (const auto& [name, count] : dropped) {
    phase.dropped[name] += count;
  }
  const auto ingress = dropped.find(ingress_drops);
  const std::uint64_t overrun = ingress == dropped.end() ? 0 : std::min(ingress->second, missing);
  phase.overrun += overrun;
  return {};
}

Status ChurnRun::volley(ChurnPhase& phase) {
  const Volley volley{
      .targets = range_,
      .first_flow = next_flow_,
      .flows = packets_,
      .packets = packets_,
      .gap_ns = gap_ns_ <= longest_gap_ns ? static_cast<std::uint64_t>(gap_ns_) : short_gap_ns,
      .patience_ns = patience_ns,
      .mixed = true,
      .first_open = first_open_,
      .open_flows = static_cast<std::uint32_t>(results_.flows),
      .recorded = true};
  next_flow_ += packets_;
  SVCB_TAKE(arrivals, wire_->send(*testbed_, volley));
  const std::uint64_t lost = judge_volley(phase);
  phase.refusals += arrivals.counts.refused;
  phase.late += arrivals.counts.stale;
  return lost == 0 ? Status() : account_missing(phase, lost);
}

Status ChurnRun::traffic(ChurnPhase& phase, const std::function<bool()>& goes_on) {
  SVCB_TAKE(pinned, Pinned::to_last_cpu());
  SVCB_TAKE(before, counters());
  counted_ = before;
  latencies_ = {};
  const std::int64_t begin = clock_.now_ns();
  next_volley_ns_ = begin;
  while (goes_on()) {
    SVCB_CHECK(check_interrupted());
    SVCB_CHECK(volley(phase));
    next_volley_ns_ += static_cast<std::int64_t>(gap_ns_ * packets_);
    const std::int64_t now = clock_.now_ns();
    if (next_volley_ns_ > now) {
      const timespec until{next_volley_ns_ / 1'000'000'000, next_volley_ns_ % 1'000'000'000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    } else {
      next_volley_ns_ = now;
    }
  }
  phase.seconds = seconds_of(clock_.now_ns() - begin);
  phase.fresh.changing.latency = LatencyHistogram::of(latencies_[0].buckets);
  phase.fresh.steady.latency = LatencyHistogram::of(latencies_[1].buckets);
  phase.established.changing.latency = LatencyHistogram::of(latencies_[2].buckets);
  phase.established.steady.latency = LatencyHistogram::of(latencies_[3].buckets);
  SVCB_TAKE(after, counters());
  for (const auto& [name, count] : moved(counted_, after)) {
    phase.dropped[name] += count;
  }
  return {};
}

// One that changes, and is there: the same work before and after.
void ChurnRun::focus_on_present() {
  const auto& histories = judge_->histories();
  for (std::size_t target = results_.steady; target < histories.size(); ++target) {
    const ServiceVersion& now = histories[target].versions().back();
    if (now.present && !now.endpoints.empty()) {
      wire_->focus_on(static_cast<std::uint32_t>(range_.first + target));
      return;
    }
  }
}

Status ChurnRun::quiet(const std::string& name) {
  progress_.phase(name == "before" ? "before the changes" : "after the changes");
  focus_on_present();
  ChurnPhase& phase = results_.phases.emplace_back();
  phase.name = name;
  const std::int64_t end = clock_.now_ns() + static_cast<std::int64_t>(options_.quiet_seconds * 1e9);
  return traffic(phase, [&] { return clock_.now_ns() < end; });
}

Result<ChangeRun> ChurnRun::changes(ChurnPhase& phase, Changer::Plan plan) {
  const auto first = static_cast<std::uint32_t>(range_.first + results_.steady);
  Changer changer(
      *plane_, *sequence_, log_,
      [this, first](std::size_t place) { wire_->focus_on(first + static_cast<std::uint32_t>(place)); },
      plan);
  SVCB_CHECK(traffic(phase, [&] { return changer.running(); }));
  SVCB_TAKE(done, changer.finish());
  learn();
  return done;
}

Status ChurnRun::search() {
  ChurnPhase phase;
  phase.name = "find rate";
  RateSearch search;
  const auto trial = [&](double rate) -> Status {
    progress_.phase(rate == 0 ? std::string("find the highest rate: without pauses")
                              : fmt::format("find the highest rate: {:.0f}/s", rate));
    {
      SVCB_TAKE(inside, testbed_->node().enter());
      SVCB_CHECK(flush_conntrack());
    }
    ChurnPhase part;
    SVCB_TAKE(done, changes(part, {rate, trial_seconds}));
    done.changes.clear();
    search.trials.push_back(std::move(done));
    phase.seconds += part.seconds;
    phase.fresh.changing.merge(part.fresh.changing);
    phase.fresh.steady.merge(part.fresh.steady);
    phase.established.changing.merge(part.established.changing);
    phase.established.steady.merge(part.established.steady);
    phase.refusals += part.refusals;
    phase.overrun += part.overrun;
    phase.late += part.late;
    for (const auto& [name, count] : part.dropped) {
      phase.dropped[name] += count;
    }
    return {};
  };
  SVCB_CHECK(trial(0));
  double rate = first_trial * search.trials.front().rate_reached();
  for (int tries = 0; tries < most_trials && rate > 0; ++tries) {
    SVCB_CHECK(trial(rate));
    if (search.trials.back().kept_up()) {
      break;
    }
    rate *= next_trial;
  }
  results_.search = std::move(search);
  results_.phases.push_back(std::move(phase));
  return {};
}

Status ChurnRun::check_end() {
  const std::size_t expected = workload_.services().size() - results_.changing + sequence_->present();
  SVCB_TAKE(entries, plane_->entries());
  if (entries != expected) {
    return failure("{}: {} services were to be there after the changes, and the kernel has {}",
                   options_.plane, expected, entries);
  }
  SVCB_TAKE(flow_table, plane_->flow_table());
  results_.flow_table = flow_table;
  return {};
}

// Of a version that has an endpoint, or the untranslated address, that the one before had not.
void ChurnRun::note_effects() {
  for (const ServiceHistory& history : judge_->histories()) {
    const auto& versions = history.versions();
    for (std::size_t i = 1; i < versions.size(); ++i) {
      const ServiceVersion& version = versions[i];
      const bool shows =
          !version.present ||
          std::any_of(version.endpoints.begin(), version.endpoints.end(), [&](const Endpoint& endpoint) {
            return !history.leads_to(versions[i - 1], endpoint);
          });
      results_.changes_to_see += shows ? 1 : 0;
      if (version.first_seen_ns != 0) {
        results_.effect_ns.push_back(static_cast<double>(version.first_seen_ns - version.issued_ns));
      }
    }
  }
}

Status ChurnRun::prepare(Setting& /*setting*/, std::vector<Step>& steps) {
  results_.plane = options_.plane;
  results_.services = workload_.services().size();
  SVCB_CHECK(choose_services());
  SVCB_CHECK(set_up());
  Step step;
  step.label = "churn, " + options_.plane;
  step.seconds = options_.seconds + 2 * options_.quiet_seconds;
  step.fewest = 1;
  step.most = 1;
  step.run = [this](std::size_t) { return visit(); };
  steps.push_back(std::move(step));
  return {};
}

Status ChurnRun::visit() {
  SVCB_CHECK(open_flows());
  SVCB_CHECK(limit_packets());
  SVCB_CHECK(wire_->witness(*testbed_));
  SVCB_CHECK(quiet("before"));
  progress_.phase(fmt::format("{} changes a second, for {} s", options_.rate, options_.seconds));
  ChurnPhase during;
  during.name = "during";
  SVCB_TAKE(done, changes(during, {options_.rate, options_.seconds}));
  results_.changes = std::move(done);
  results_.phases.push_back(std::move(during));
  SVCB_CHECK(quiet("after"));
  note_effects();
  if (options_.find_rate) {
    SVCB_CHECK(check_end());
    SVCB_CHECK(search());
  }
  return {};
}

}  // namespace

Status require_churnable(const Workload& workload) {
  if (std::ranges::count_if(workload.services(), has_endpoints) < 2) {
    return usage_error("churn wants two services with endpoints, one that changes and one that does not");
  }
  return {};
}

Result<ChurnResults> run_churn(const Workload& workload, const ChurnOptions& options, Progress& progress) {
  MonotonicClock clock;
  const std::int64_t begin = clock.now_ns();
  // It takes as long as it is told to, and nothing of it can be left out.
  const Selection selection{.seed = options.seed,
                            .rounds = 1,
                            .budget_seconds = 1e3 * (1 + options.seconds + options.quiet_seconds)};
  Setting setting{workload, selection, clock, progress, nullptr, {}};
  Scenarios scenarios;
  scenarios.push_back(std::make_unique<ChurnRun>(workload, options, progress));
  SVCB_TAKE(findings, run_scenarios(scenarios, setting, begin));
  ChurnResults results = static_cast<ChurnRun&>(*scenarios.front()).take();
  results.seconds = findings.seconds;
  return results;
}

}  // namespace svcbench
