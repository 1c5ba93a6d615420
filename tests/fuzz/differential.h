// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The programs beside the model, step by step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/grammar.h"
#include "fuzz/rig.h"

namespace svcbench::fuzz {

// Where the two differ.
struct Mismatch {
  std::size_t step = 0;
  std::string what{};
};

struct SequenceResult {
  std::optional<Mismatch> mismatch{};
  std::uint64_t packets = 0;
};

class Differential {
 public:
  static Result<std::unique_ptr<Differential>> create(const Mode& mode);

  // A sequence of so many steps of this seed's. What was done is in steps().
  Result<SequenceResult> run(std::uint64_t seed, std::size_t length);
  // These steps.
  Result<SequenceResult> run(const std::vector<Step>& steps);
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }

  // As few of these steps as still differ.
  Result<std::vector<Step>> shrunk(std::vector<Step> steps);

  [[nodiscard]] const Mode& mode() const { return mode_; }

 private:
  Differential(Mode mode, std::unique_ptr<Rig> rig)
      : mode_(std::move(mode)), rig_(std::move(rig)), model_(model_settings(mode_)) {}

  // Both as they were in the beginning.
  Status reset();
  Result<std::optional<Mismatch>> take(const Step& step, std::size_t number, Grammar* grammar);
  Result<std::optional<Mismatch>> send(const SendPacket& packet, std::size_t number, Grammar* grammar);
  [[nodiscard]] std::optional<Mismatch> compare_tables(std::size_t number) const;
  Result<SequenceResult> run_steps(std::size_t length, const std::function<Step(std::size_t)>& next,
                                   Grammar* grammar);

  Mode mode_;
  std::unique_ptr<Rig> rig_;
  model::PlaneModel model_;
  std::map<Frontend, Service> changed_{};  // services that are not as in the beginning
  std::vector<Step> steps_{};
  std::uint64_t packets_ = 0;
  bool lost_ = false;
};

}  // namespace svcbench::fuzz
