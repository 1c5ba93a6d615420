// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fuzz/differential.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "packet.h"

namespace svcbench::fuzz {
namespace {

constexpr std::size_t steps_between_table_checks = 50;
// A sequence that takes longer is thrown away: the machine's time would show in the flows' ages.
constexpr std::chrono::milliseconds longest{1500};

std::string shown(model::Verdict verdict, const Bytes& bytes) {
  return verdict == model::Verdict::drop
             ? "dropped"
             : (verdict == model::Verdict::sent ? "sent    " : "passed  ") + testing::hex(bytes);
}

}  // namespace

Result<std::unique_ptr<Differential>> Differential::create(const Mode& mode) {
  SVCB_TAKE(rig, Rig::create(mode, services()));
  std::unique_ptr<Differential> made(new Differential(mode, std::move(rig)));
  for (const Service& service : services()) {
    made->model_.set(service);
  }
  return made;
}

Status Differential::reset() {
  for (const Service& service : services()) {
    if (changed_.contains(service.frontend)) {
      SVCB_CHECK(rig_->change({Operation::change_endpoints, service}));
      model_.set(service);
    }
  }
  changed_.clear();
  model_.forget();
  steps_.clear();
  packets_ = 0;
  lost_ = false;
  return rig_->forget();
}

Result<std::optional<Mismatch>> Differential::send(const SendPacket& packet, std::size_t number,
                                                   Grammar* grammar) {
  SVCB_TAKE(seen, rig_->run(packet.hook, packet.frame));
  if (!seen) {
    return std::optional<Mismatch>{};
  }
  ++packets_;
  const model::Headers headers = model::read(packet.frame);
  const std::string before = model_.describe(headers.tuple);
  const model::Expected expected = model_.packet(packet.frame, *seen);
  if (expected.lost) {
    lost_ = true;
    return std::optional<Mismatch>{};
  }
  const bool same = seen->verdict == expected.verdict &&
                    (seen->verdict == model::Verdict::drop || seen->bytes == expected.bytes);
  if (!same) {
    return std::optional(
        Mismatch{number, fmt::format("the model knew {}\n  expected {} ({})\n  seen     {}\n  came     {}",
                                     before, shown(expected.verdict, expected.bytes), expected.why,
                                     shown(seen->verdict, seen->bytes), testing::hex(packet.frame))});
  }
  if (grammar != nullptr && seen->verdict != model::Verdict::drop && headers.shape == model::Shape::whole) {
    if (const model::Headers out = model::read(seen->bytes); out.shape == model::Shape::whole) {
      grammar->translated(headers.tuple, out.tuple);
    }
  }
  return std::optional<Mismatch>{};
}

std::optional<Mismatch> Differential::compare_tables(std::size_t number) const {
  const std::set<Tuple> held = rig_->entries();
  for (const Tuple& arrival : model_.entries()) {
    if (!held.contains(arrival)) {
      return Mismatch{number,
                      fmt::format("no entry for {}, of {}", arrival.text(), model_.describe(arrival))};
    }
  }
  return std::nullopt;
}

Result<std::optional<Mismatch>> Differential::take(const Step& step, std::size_t number, Grammar* grammar) {
  if (const auto* packet = std::get_if<SendPacket>(&step)) {
    return send(*packet, number, grammar);
  }
  if (const auto* time = std::get_if<PassTime>(&step)) {
    SVCB_CHECK(rig_->age(time->seconds, time->seconds == 0 ? 1 : 0));
    model_.age(time->seconds);
  } else if (const auto* evict = std::get_if<Evict>(&step)) {
    // What is missing is put back by the first packet of a tick.
    SVCB_CHECK(rig_->age(0, 1));
    SVCB_CHECK(rig_->evict(evict->arrival));
    model_.evict(evict->arrival);
  } else if (const auto* change = std::get_if<Change>(&step)) {
    SVCB_CHECK(rig_->change(*change));
    model_.set(change->service);
    changed_[change->service.frontend] = change->service;
  }
  return std::optional<Mismatch>{};
}

Result<SequenceResult> Differential::run_steps(std::size_t length,
                                               const std::function<Step(std::size_t)>& next,
                                               Grammar* grammar) {
  SVCB_CHECK(reset());
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < length && !lost_; ++i) {
    steps_.push_back(next(i));
    SVCB_TAKE(mismatch, take(steps_.back(), i, grammar));
    if (!mismatch && !lost_ && (i + 1 == length || (i + 1) % steps_between_table_checks == 0)) {
      mismatch = compare_tables(i);
    }
    if (mismatch) {
      const bool in_time = std::chrono::steady_clock::now() - start < longest;
      return SequenceResult{in_time ? mismatch : std::nullopt, packets_};
    }
  }
  return SequenceResult{std::nullopt, packets_};
}

Result<SequenceResult> Differential::run(std::uint64_t seed, std::size_t length) {
  Grammar grammar(seed, mode_);
  return run_steps(
      length, [&](std::size_t) { return grammar.next(); }, &grammar);
}

Result<SequenceResult> Differential::run(const std::vector<Step>& steps) {
  const std::vector<Step> copy = steps;
  return run_steps(
      copy.size(), [&](std::size_t i) { return copy[i]; }, nullptr);
}

Result<std::vector<Step>> Differential::shrunk(std::vector<Step> steps) {
  for (std::size_t chunk = steps.size() / 2; chunk > 0;) {
    bool less = false;
    for (std::size_t from = 0; from < steps.size();) {
      std::vector<Step> fewer = steps;
      const std::size_t until = std::min(from + chunk, steps.size());
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(from),
                  fewer.begin() + static_cast<std::ptrdiff_t>(until));
      SVCB_TAKE(result, run(fewer));
      if (result.mismatch) {
        fewer.resize(result.mismatch->step + 1);
        steps = std::move(fewer);
        less = true;
      } else {
        from += chunk;
      }
    }
    chunk = less && chunk == 1 ? 1 : chunk / 2;
  }
  return steps;
}

}  // namespace svcbench::fuzz
