# What `cmake --install` puts where, and the Debian package (cpack -G DEB).
include(GNUInstallDirs)

install(TARGETS svcbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES "${CMAKE_BINARY_DIR}/share/svcbench.1.gz" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES "${CMAKE_BINARY_DIR}/share/svcbench.bash" RENAME svcbench
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES "${CMAKE_BINARY_DIR}/share/svcbench.fish"
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
file(GLOB SVCBENCH_DOCS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")
install(FILES README.md CONTRIBUTING.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${SVCBENCH_DOCS} DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
# Debian has its own places for a package's licence and for zsh's completions; what is local goes elsewhere.
# file(INSTALL) minds DESTDIR, as install(FILES) does.
add_custom_command(OUTPUT share/changelog.Debian.gz
  COMMAND gzip -9nc "${PROJECT_SOURCE_DIR}/packaging/changelog" > "${CMAKE_BINARY_DIR}/share/changelog.Debian.gz"
  DEPENDS packaging/changelog)
add_custom_target(changelog ALL DEPENDS share/changelog.Debian.gz)
install(CODE "
  set(share \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
  set(doc \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
  if(CMAKE_INSTALL_PREFIX MATCHES \"/usr$\" AND EXISTS /etc/debian_version)
    file(INSTALL \"${CMAKE_BINARY_DIR}/share/_svcbench\" DESTINATION \"\${share}/zsh/vendor-completions\")
    file(INSTALL \"${PROJECT_SOURCE_DIR}/packaging/copyright\"
                 \"${CMAKE_BINARY_DIR}/share/changelog.Debian.gz\" DESTINATION \"\${doc}\")
  else()
    file(INSTALL \"${CMAKE_BINARY_DIR}/share/_svcbench\" DESTINATION \"\${share}/zsh/site-functions\")
    file(INSTALL \"${PROJECT_SOURCE_DIR}/LICENSE\" \"${PROJECT_SOURCE_DIR}/LICENSES\"
         DESTINATION \"\${doc}\")
  endif()")
file(GLOB SVCBENCH_SCHEMAS CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.schema.json")
install(FILES ${SVCBENCH_SCHEMAS} DESTINATION ${CMAKE_INSTALL_DATADIR}/svcbench/schemas)

# ---- the Debian package ----
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME svcbench)
set(CPACK_PACKAGE_VENDOR "the svcbench maintainers")
set(CPACK_PACKAGE_CONTACT "the svcbench maintainers <svcbench@maintainers.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "measure what a Kubernetes Service costs on this machine")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Programs iptables, nftables, IPVS and eBPF as a Kubernetes node does, in
private network namespaces, and measures side by side what it takes to install
N services, to change one, and to get a packet from wire to wire. Every packet
and every entry is checked before a figure is printed.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(SVCBENCH_DEB_RELEASE 1 CACHE STRING "Debian's part of the package's version")
set(CPACK_DEBIAN_PACKAGE_RELEASE "${SVCBENCH_DEB_RELEASE}")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What the planes run: each is left out, with its reason, where its tools are not there.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "iptables, ipset, kmod, nftables")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion")
# An installed program is on the whole machine's PATH: no group may write its folders.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
include(CPack)
