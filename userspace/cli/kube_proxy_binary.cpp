// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/kube_proxy_binary.h"

#include <algorithm>

#include "plane/registry.h"
#include "service/text.h"
#include "sys/child_process.h"

namespace svcbench {

void KubeProxyBinaryInput::add_options(CLI::App& app) {
  app.add_option(
         "--kube-proxy", given,
         "A kube-proxy binary of yours: the planes kube-proxy-iptables and kube-proxy-nftables run it\n"
         "against an API server of svcbench's on loopback, in a network namespace of their own")
      ->type_name("PATH");
}

std::string kube_proxy_version_of(std::string_view text) {
  constexpr std::string_view word = "Kubernetes v";
  const std::size_t found = text.find(word);
  if (found == std::string_view::npos) {
    return "";
  }
  text.remove_prefix(found + word.size() - 1);
  return printable(trimmed(text.substr(0, text.find('\n'))));
}

Result<std::string> KubeProxyBinaryInput::path(const std::vector<std::string>& planes) const {
  const auto runs = std::find_if(planes.begin(), planes.end(), [](const std::string& name) {
    const PlaneRow* row = find_plane(name);
    return row != nullptr && row->runs_binary;
  });
  if (given.empty()) {
    return runs == planes.end()
               ? Result<std::string>(std::string())
               : usage_error("the plane {} runs a kube-proxy of yours: give it with --kube-proxy PATH",
                             *runs);
  }
  if (runs == planes.end()) {
    return usage_error(
        "no plane of this run is a kube-proxy of yours: name one with --planes, such as "
        "nftables,kube-proxy-nftables");
  }
  const auto path = find_program(given.find('/') == std::string::npos ? "./" + given : given);
  if (!path) {
    return usage_error("--kube-proxy {}: no such executable file", printable(given));
  }
  const auto said = run_child({*path, "--version"});
  if (!said) {
    return usage_error("--kube-proxy {}: {}", printable(given), said.error().message);
  }
  if (kube_proxy_version_of(said->out).empty()) {
    return usage_error(
        "--kube-proxy {}: it does not say a version of Kubernetes when it is called with --version, "
        "so it is no kube-proxy",
        printable(given));
  }
  return *path;
}

}  // namespace svcbench
