// The training step of llm.c's CPU trainer at the shape of llama-14m: GPT-2 with 6 layers of 384, vocabulary 8192, 8 x 256 tokens.
//   cc -Ofast -march=native -fopenmp -DOMP -I LLMC step_llmc.c -lm      LLMC: a checkout of github.com/karpathy/llm.c (2025)
//   step_llmc STEPS        prints the loss of the last step, median tokens/s and ms
#define TESTING
#include "train_gpt2.c"

enum { kBatch = 8, kLength = 256, kVocabulary = 8192, kLayers = 6, kHeads = 6, kWidth = 384, kMaxSteps = 64 };

static uint64_t state = 1;
static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(state >> 40) / 16777216.0f - 0.5f;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rising(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static void initialize(float* p, size_t n, float scale, float shift) {
  for (size_t i = 0; i < n; ++i) p[i] = shift + scale * uniform();
}

static void build(GPT2* model) {
  memset(model, 0, sizeof *model);
  model->config = (GPT2Config){.max_seq_len = kLength,
                               .vocab_size = kVocabulary,
                               .padded_vocab_size = kVocabulary,
                               .num_layers = kLayers,
                               .num_heads = kHeads,
                               .channels = kWidth};
  fill_in_parameter_sizes(model->param_sizes, model->config);
  for (int i = 0; i < NUM_PARAMETER_TENSORS; ++i) model->num_parameters += model->param_sizes[i];
  model->params_memory = malloc_and_point_parameters(&model->params, model->param_sizes);
  initialize(model->params_memory, model->num_parameters, 0.07f, 0.0f);
  initialize(model->params.ln1w, model->param_sizes[2], 0.0f, 1.0f);
  initialize(model->params.ln2w, model->param_sizes[8], 0.0f, 1.0f);
  initialize(model->params.lnfw, model->param_sizes[14], 0.0f, 1.0f);
  model->mean_loss = -1.0f;
}

int main(int argc, char** argv) {
  const int steps = argc > 1 ? atoi(argv[1]) : 4;
  if (steps < 2 || steps > kMaxSteps) {
    fprintf(stderr, "step_llmc: STEPS: 2 to %d\n", kMaxSteps);
    return 2;
  }
  static int tokens[kBatch * kLength + 1];
  for (int i = 0; i <= kBatch * kLength; ++i) tokens[i] = (int)((uniform() + 0.5f) * kVocabulary);
  GPT2 model;
  build(&model);
  double seconds[kMaxSteps];
  for (int step = 0; step < steps; ++step) {
    const double start = now();
    gpt2_forward(&model, tokens, tokens + 1, kBatch, kLength);
    gpt2_zero_grad(&model);
    gpt2_backward(&model);
    gpt2_update(&model, 1e-3f, 0.9f, 0.999f, 1e-8f, 0.0f, step + 1);
    seconds[step] = now() - start;
  }
  // The first step allocates.
  qsort(seconds + 1, (size_t)(steps - 1), sizeof(double), rising);
  const double median = seconds[1 + (steps - 1) / 2];
  printf("llm.c gpt2-14m: %.0f tokens/s, %.1f ms (%zu parameters, loss %.4f)\n", kBatch * kLength / median, 1e3 * median,
         model.num_parameters, (double)model.mean_loss);
  return 0;
}
