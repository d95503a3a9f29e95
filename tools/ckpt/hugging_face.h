// A folder that Hugging Face transformers loads: the model's class and PreTrainedTokenizerFast.
// Pure but for write_hugging_face(), which creates the files in an existing empty directory and
// syncs them. Errors: kind io, kind corrupt for a tokenizer.json that does not read.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libcore/io/file_system.h"
#include "libcore/io/json.h"
#include "libcore/model/config.h"
#include "tools/ckpt/hugging_face_model.h"

namespace ballast {

struct HuggingFaceOptions {
  std::string dtype = "F32";  // or BF16
  int64_t shard_bytes = int64_t{5} << 30;
};

// File names and texts beside the weights; `tokenizer` is the text of tokenizer.json or empty.
Result<std::vector<std::pair<std::string, std::string>>> hugging_face_texts(
    const ModelConfig& config, const Json& model_json, const std::string& tokenizer,
    const std::string& dtype);

// `model` is what `config` maps to.
Result<void> write_hugging_face(FileSystem& fs, const std::string& directory,
                                const ModelConfig& config, const HuggingFaceModel& model,
                                const std::string& tokenizer, const HuggingFaceOptions& options);

}  // namespace ballast
