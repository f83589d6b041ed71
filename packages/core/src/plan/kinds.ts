// Whether each option is the kind of thing it should be: what TypeScript tells whoever uses it, told in one line to whoever does not.

type Options = Readonly<Record<string, unknown>>;

/** Says what a value is, as a person would. */
function show(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Promise) return "a promise: await it";
  if (typeof value !== "object" || value === null) return String(value);
  return "dataId" in value ? "a tensor" : "an object";
}

const isObject = (value: unknown): value is Options =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Promise);

function refuse(name: string, value: unknown, wanted: string): never {
  throw new Error(`${name} is ${show(value)}; ${wanted}`);
}

function checkModel(model: unknown): void {
  if (isObject(model) && typeof model.predict === "function")
    throw new Error("model is a tf.LayersModel: carry it over with await fromLayersModel(model), of @orthant/nn");
  if (!isObject(model) || !Array.isArray(model.layers) || typeof model.loss !== "function")
    refuse("model", model, "give { name, layers, loss }, such as gpt() or mlp() of @orthant/nn make");
  if (!model.layers.length) throw new Error("model has no layers: give at least one");
}

function checkData(data: unknown): void {
  if (!isObject(data) || typeof data.sample !== "function")
    refuse(
      "data",
      data,
      "give { input, target, tokens, sample(index) }, such as text() or arrays() of @orthant/nn make",
    );
  const { tokens } = data;
  if (typeof tokens !== "number" || !(tokens > 0))
    throw new Error(
      `data.tokens is ${show(tokens)}; it counts the terms that a sample adds to the loss: give a number above 0`,
    );
}

function checkOptimizer(optimizer: unknown): void {
  const way = "give an optimizer, such as adamw({ lr: 3e-4 })";
  if (!isObject(optimizer) || typeof optimizer.update !== "function") refuse("optimizer", optimizer, way);
  const lr: unknown = typeof optimizer.lr === "function" ? optimizer.lr(0) : optimizer.lr;
  if (typeof lr !== "number" || !Number.isFinite(lr) || lr < 0)
    throw new Error(
      `lr is ${show(lr)} at step 0; it must be a number from 0, or a function of the step that gives one`,
    );
}

function checkStrategies(strategies: unknown): void {
  if (!Array.isArray(strategies)) refuse("strategies", strategies, "give a list, such as [zero({ stage: 3 })]");
  for (const [i, strategy] of strategies.entries())
    if (!isObject(strategy) || typeof strategy.name !== "string")
      refuse(`strategies[${i}]`, strategy, "give what a strategy's function returns: zero({ stage: 3 }), not zero");
}

function checkNumbers({ seed = 0, clip = 1, capBytes = 1 }: Options): void {
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) refuse("seed", seed, "it must be a whole number from 0");
  if (typeof clip !== "number" || !(clip > 0))
    refuse("clip", clip, "it is a norm: give a number above 0, or leave it out for no clipping");
  if (typeof capBytes !== "number" || !(capBytes > 0))
    refuse("capBytes", capBytes, "it must be a number above 0, or left out for no cap");
}

/** Refuses, by name, an option of `train` that is no such thing. */
export function checkKinds(options: object): void {
  const { mesh = {}, strategies = [], recompute = false, quiet = false, run = false } = options as Options;
  const { model, data, optimizer, precision, weights, collect = false, report = [] } = options as Options;
  checkModel(model);
  checkData(data);
  checkOptimizer(optimizer);
  checkStrategies(strategies);
  checkNumbers(options as Options);
  if (weights !== undefined && !(weights instanceof Map))
    refuse("weights", weights, "give a map of names to values, such as train() and importWeights() resolve to");
  if (!isObject(mesh)) refuse("mesh", mesh, "give the size of each axis, such as { dp: 2 }");
  if (precision !== undefined && typeof precision !== "string")
    refuse("precision", precision, 'name one, such as "fp32", "tf32" or "bf16"');
  for (const [name, value] of Object.entries({ recompute, quiet, collect }))
    if (typeof value !== "boolean") refuse(name, value, "it is true or false");
  if (!Array.isArray(report) || report.some((kind) => kind !== "tensorboard"))
    refuse("report", report, 'give a list of what to write: ["tensorboard"]');
  if (run !== false && typeof run !== "string")
    refuse("run", run, "give the name of a folder, or false to write nothing");
}
