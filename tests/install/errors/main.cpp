#include <tandem/errors/format.hpp>

int main() { fmt::print("{:+}\n", tandem::make_error(tandem::errc::not_found, "no such row")); }
