// No reader takes what another one reads: every test on every sample.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "libcore/trace/foreign/json_lines.h"
#include "libcore/trace/foreign/llmc.h"
#include "libcore/trace/foreign/megatron.h"
#include "libcore/trace/foreign/olmo_core.h"
#include "libcore/trace/foreign/table.h"
#include "libcore/trace/foreign/tfevents.h"
#include "libcore/trace/foreign/torchtitan.h"
#include "libcore/trace/foreign/trainer_state.h"
#include "libcore/trace/foreign/wandb_csv.h"
#include "libcore/trace/foreign/wandb_history.h"
#include "libcore/trace/foreign/wandb_run.h"
#include "libcore/trace/record.h"

namespace ballast {
namespace {

const std::map<std::string, LooksLike> kTests = {
    {"llmc", looks_like_llmc},
    {"megatron", looks_like_megatron},
    {"torchtitan", looks_like_torchtitan},
    {"olmo_core", looks_like_olmo_core},
    {"trainer_state", looks_like_trainer_state},
    {"wandb_csv", looks_like_wandb_csv},
    {"wandb_history", looks_like_wandb_history},
    {"wandb_run", looks_like_wandb_run},
    {"tfevents", looks_like_tfevents},
    {"table", looks_like_table},
    {"json_lines", looks_like_json_lines},
};

struct Sample {
  std::string format;  // "": nobody's
  std::string text;
};

std::string our_trace() {
  std::string text;
  RunRecord run;
  append_record(text, run);
  StepRecord step;
  step.step = 1;
  step.loss = 2.5;
  append_record(text, step);
  return text;
}

const std::vector<Sample> kSamples = {
    {"llmc", "s:0 tel:11.0095\ns:0 trl:11.0116 lr:0.000001 norm:14.96\n"},
    {"megatron",
     "using world size: 8, data-parallel size: 1, tensor: 2\n"
     " [2025-01-31 12:00:00.250000] iteration       10/    1000 | consumed samples:          160 | "
     "elapsed time per iteration (ms): 837.6 | learning rate: 1.5E-04 | lm loss: 9.25E+00 |\n"},
    {"megatron",
     "[default7]: iteration    31214/  115311 | consumed samples:     47768496 | lm loss: 2.2 | "
     "grad norm: 0.242 |\r\n"},
    {"torchtitan",
     "[titan] 2025-02-11 12:00:00,500 - root - INFO - Building 1-D device mesh, dp_shard=8\n"
     "[titan] 2025-02-11 12:00:00,500 - root - INFO - \x1b[31mstep: 10  \x1b[32mloss:  7.12345  "
     "\x1b[38;2;180;60;0mgrad_norm:  1.2345  \x1b[33mmemory: 12.34GiB(15.6%)  \x1b[34mtps: "
     "1,234\n"},
    {"olmo_core",
     "2025-02-11 12:00:00.123\thost:0\tolmo_core\tINFO\t[step=1/10000,epoch=1,eta=1h2m]\n"
     "    optim/total grad norm=0.5541\n    train/CE loss=10.96\n"},
    {"olmo_core",
     "[2024-04-17 09:42:26] INFO     [olmo.train:816, rank=0] [step=1/739328]\n"
     "    train/CrossEntropyLoss=11.25\n    throughput/total_tokens=4,194,304\n"},
    // Logs whose first record lies behind the head.
    {"megatron",
     "using world size: 8, data-parallel size: 8\n------------------------ arguments "
     "------------------------\n  accumulate_allreduce_grads_in_fp32 .... False\n"},
    {"torchtitan",
     "[rank0]:[titan] 2025-02-11 12:00:00,500 - root - INFO - Starting job: Llama 3, 8B\n"},
    {"olmo_core",
     "2025-02-11 12:00:00.123\thost:0\tolmo_core.train.config:84\tINFO\tPaths: a, b\n"},
    {"trainer_state",
     "{\n  \"global_step\": 2,\n  \"log_history\": [\n    {\"epoch\": 0.1, \"loss\": 2.5, "
     "\"step\": 1}\n  ]\n}\n"},
    {"trainer_state",
     "{\"global_step\": 2, \"epoch\": 1.0, \"log_history\": [{\"loss\": 2.5, \"step\": 1}]}\n"},
    {"wandb_csv",
     "\"Step\",\"run7 - train/loss\",\"run7 - train/loss__MIN\",\"run7 - train/loss__MAX\"\n"
     "\"0\",\"11.5\",\"11.5\",\"11.5\"\n"},
    {"wandb_history",
     "{\"_step\": 1, \"_timestamp\": 1700000000.5, \"train/loss\": 2.5}\n"
     "{\"_step\": 2, \"_timestamp\": 1700000001.5, \"train/loss\": 2.5}\n"},
    {"table", "step,loss,grad_norm\n1,2.5,0.5\n2,2.25,0.4\n"},
    {"table", "epoch\tstep\ttrain_loss\n0\t49\t2.5\n"},
    {"table", "\xef\xbb\xbf\"my step\",\"my loss\"\r\n\"1\",\"2.5\"\r\n"},
    {"json_lines", "{\"step\": 1, \"loss\": 2.5}\n{\"step\": 2, \"loss\": NaN}\n"},
    {"json_lines", "\n{\"i\": 1, \"train\": {\"loss\": 2.5}}\n"},
    {"", our_trace()},
    {"", ""},
    {"", "\n\n"},
    {"", "Once upon a time, there was a step: 10 of them, and a loss: that of a shoe.\n"},
    {"", "1700000000000 2.5 1\n1700000001000 2.25 2\n"},
    {"", "1,2,3\n4,5,6\n"},
    {"", "{\"text\": \"a document\"}\n"},
    {"", "saving checkpoint at iteration     110 to /ckpt\niteration 5/10 of the outer loop\n"},
    {"", "step:250/1325 val_loss:4.5105 train_time:7450ms step_avg:29.80ms\n"},
    {"", std::string("\x00\x01\x02\xff\xfe,\t\"\n{", 9)},
};

TEST(Detection, EachSampleIsTakenByItsOwnReaderAlone) {
  for (const Sample& sample : kSamples)
    for (const auto& [format, looks_like] : kTests)
      EXPECT_EQ(looks_like(sample.text), format == sample.format)
          << format << " on " << sample.format << ": " << sample.text;
}

// The head of a log may end anywhere.
TEST(Detection, ACutHeadIsNobodyElses) {
  for (const Sample& sample : kSamples) {
    for (size_t size = 0; size < sample.text.size(); ++size) {
      for (const auto& [format, looks_like] : kTests) {
        if (format == sample.format) continue;
        EXPECT_FALSE(looks_like(std::string_view(sample.text).substr(0, size)))
            << format << " on " << sample.format << " cut to " << size;
      }
    }
  }
}

}  // namespace
}  // namespace ballast
