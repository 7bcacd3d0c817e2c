# shellcheck shell=bash
# Sourced by packaging/quickstart and tests/run: installs what is missing with the system's own
# package manager, when that can be done without asking; otherwise says what to install.

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        echo "neither root nor sudo without a password" >&2
        return 1
    fi
}

package_manager() {
    local manager
    for manager in apt-get dnf apk brew; do
        if have "$manager"; then
            echo "$manager"
            return
        fi
    done
    echo none
}

apt_install() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=60)
    local install=("${apt[@]}" install -y --no-install-recommends "$@")
    # A fresh container has no package lists yet, an old one outdated lists: then fetch them.
    as_root "${install[@]}" || { as_root "${apt[@]}" update && as_root "${install[@]}"; }
}

install_with() {
    local manager=$1
    shift
    case $manager in
        apt-get) apt_install "$@" ;;
        dnf) as_root dnf install -y "$@" ;;
        apk) as_root apk add "$@" ;;
        brew) HOMEBREW_NO_AUTO_UPDATE=1 brew install "$@" ;; # refuses to run as root
        *) echo "no package manager that is known here" >&2 && return 1 ;;
    esac
}

# need NAME APT DNF APK BREW: the packages that bring NAME, by package manager; "-" where there is
# none. Quiet when it works; otherwise tells the manager's last words and what to install.
need() {
    local name=$1 manager packages log
    manager=$(package_manager)
    case $manager in
        apt-get) packages=$2 ;;
        dnf) packages=$3 ;;
        apk) packages=$4 ;;
        brew) packages=$5 ;;
        *) packages=- ;;
    esac
    if [ "$packages" != - ]; then
        echo "installing $packages ($manager)"
        log=$(mktemp)
        # shellcheck disable=SC2086 # several packages in one word
        if install_with "$manager" $packages >"$log" 2>&1 </dev/null; then
            rm -f "$log"
            return 0
        fi
        tail -n 5 "$log" >&2
        rm -f "$log"
    fi
    local hint=""
    if [ "$packages" != - ]; then hint=" ($manager: $packages)"; fi
    echo "Please install $name$hint, then run this again." >&2
    return 1
}

# What a build needs besides Rust.
need_build_tools() {
    have cmake || need cmake cmake cmake cmake cmake || return
    have make || need make make make make make || return
    # On macOS the compiler comes with `xcode-select --install`, not with brew.
    have cc || need "a C compiler (cc)" "gcc libc6-dev" gcc "gcc musl-dev" - || return
}

# Rust itself is left to its users, who have opinions about toolchains.
need_cargo() {
    if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    fi
    have cargo || {
        echo "Please install Rust: curl --proto '=https' -sSf https://sh.rustup.rs | sh (see https://rustup.rs)" >&2
        return 1
    }
}
