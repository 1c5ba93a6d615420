// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a plane would program, as text: made by the code that the plane itself feeds its tools with. No
// kernel.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plane/configuration.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

struct RenderOptions {
  PlaneConfiguration configuration{};
  bool chapter = false;  // iptables only: the chapter's three rules a service
  // IPVS and iptables have inputs of their own for each family, and render `family`, or IPv4 without it.
  // The others have one input for both, which `family` restricts.
  std::optional<Family> family{};
};

struct RenderedPart {
  std::string name;  // "rules", "ipset"
  std::string tool;  // what takes the text: "iptables-restore --noflush --counters"
  std::string text;
};

// In the order in which the plane programs them. Error: usage, for a plane that programs nothing or is not
// there, for a shape that it has not, and for services that it cannot program.
[[nodiscard]] Result<std::vector<RenderedPart>> render_plane(std::string_view plane,
                                                             std::span<const Service> services,
                                                             const RenderOptions& options);

// Whether its inputs are one family's each.
[[nodiscard]] bool renders_one_family(std::string_view plane);

}  // namespace svcbench
