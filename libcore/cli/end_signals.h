// What a tool does about SIGTERM, SIGINT and SIGHUP when it has no more to say to them: the
// temporary files of its outputs and its progress line go, then it ends by the same signal, so that
// shells and schedulers see what ended it. Ignored signals (nohup) stay ignored.
#pragma once

namespace ballast {

// Once, at the start of main(). Not for tools that finish a step or a checkpoint first.
void tidy_up_on_signals();

}  // namespace ballast
