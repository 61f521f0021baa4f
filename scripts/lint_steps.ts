export default { name: "untorn", rules: {} };
